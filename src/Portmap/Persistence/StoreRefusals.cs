using System.Globalization;

namespace Portmap.Persistence;

/// <summary>Every refusal of a store in one place.</summary>
internal static class StoreRefusals
{
    public static PortRefusal StateInUse(string what, int holder) =>
        new(
            PortRefusalReason.StateInUse,
            () => string.Create(CultureInfo.InvariantCulture, $"{what} belongs to {(holder == 0 ? "another process" : $"process {holder}")}. Stop that daemon, or choose another state folder."))
        { HolderProcessId = holder };
}
