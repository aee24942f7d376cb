using System.Globalization;

namespace Portmap.Rpc.Tests.Load;

/// <summary>What a process holds.</summary>
internal sealed record Vitals(long Descriptors, long HeapBytes, long Entries)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Descriptors} {HeapBytes} {Entries}");
}
