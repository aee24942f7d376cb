using System.Diagnostics;

namespace Portmap.Docs.Tests;

/// <summary>Gives this process the environment of a worker, until it is disposed.</summary>
internal sealed class LeaseVariables : IDisposable
{
    private readonly string[] _names;

    public LeaseVariables(PortLease lease)
        : this(Prepared(lease))
    {
    }

    public LeaseVariables(ProcessStartInfo start)
    {
        _names = [.. start.Environment.Keys.Where(name => name.StartsWith("PORTMAP_", StringComparison.Ordinal))];
        foreach (string name in _names)
        {
            Environment.SetEnvironmentVariable(name, start.Environment[name]);
        }
    }

    public void Dispose()
    {
        foreach (string name in _names)
        {
            Environment.SetEnvironmentVariable(name, null);
        }
    }

    private static ProcessStartInfo Prepared(PortLease lease)
    {
        ProcessStartInfo start = new("worker");
        lease.PrepareStart(start);
        return start;
    }
}
