using Portmap.Diagnostics;
using Portmap.Rpc;

namespace Portmap.AspNetCore;

/// <summary>What one call of UsePortmap asked for.</summary>
/// <param name="Name">The name of the port; null is the one without.</param>
/// <param name="Owner">The owner, where the program says it and not the environment.</param>
internal sealed record AskedPort(string? Name, string? Owner)
{
    public override string ToString() => Owner is null ? PortmapEnvironment.Said(Name) : $"the port of '{Printable.Of(Owner)}'";
}
