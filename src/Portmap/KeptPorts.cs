using System.Collections.Frozen;

namespace Portmap;

/// <summary>The numbers that are kept for certain owners. Never changed.</summary>
internal sealed class KeptPorts
{
    private readonly FrozenDictionary<string, int> _ports;
    private readonly FrozenDictionary<int, string> _owners;

    private KeptPorts(IDictionary<string, int> ports)
    {
        _ports = ports.ToFrozenDictionary(StringComparer.Ordinal);
        _owners = ports.ToFrozenDictionary(kept => kept.Value, kept => kept.Key);
    }

    /// <summary>The numbers.</summary>
    public IEnumerable<int> Ports => _owners.Keys;

    /// <param name="ports">What the options say, checked.</param>
    /// <returns>null when nothing is kept.</returns>
    public static KeptPorts? Of(IDictionary<string, int> ports) => ports.Count == 0 ? null : new KeptPorts(ports);

    /// <summary>The number of an owner, or 0.</summary>
    public int PortOf(string owner) => _ports.GetValueOrDefault(owner);

    /// <summary>Whom a number is kept for, or null.</summary>
    public string? OwnerOf(int port) => _owners.GetValueOrDefault(port);

    /// <summary>The numbers that are kept for others, as ranges in ascending order.</summary>
    public IEnumerable<PortRange> ExceptOf(string owner)
    {
        PortRange run = default;
        foreach (int port in Ports.Where(port => _owners[port] != owner).Order())
        {
            if (run.Count != 0 && port == run.Last + 1)
            {
                run = new PortRange(run.First, port);
                continue;
            }

            if (run.Count != 0)
            {
                yield return run;
            }

            run = new PortRange(port, port);
        }

        if (run.Count != 0)
        {
            yield return run;
        }
    }
}
