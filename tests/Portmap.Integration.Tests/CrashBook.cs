using System.Globalization;

namespace Portmap.Integration.Tests;

/// <summary>What a daemon acknowledged before it was killed, against what comes back.</summary>
internal sealed class CrashBook
{
    private readonly Dictionary<string, Holding> _acknowledged = [];
    private readonly Dictionary<string, string> _underWay = [];

    public long Acknowledged { get; private set; }

    /// <summary>Takes one line of the daemon; see its program. A last line that was cut off by the kill is none.</summary>
    public void Note(string line)
    {
        string[] words = line.Split(' ');
        if (words is [">", string owner, string verb])
        {
            _underWay[owner] = verb;
        }
        else if (words is ["=", string name, "bound", string port, string epoch, "lease", string leasePort, string leaseEpoch])
        {
            Acknowledged++;
            _underWay.Remove(name);
            _acknowledged[name] = new Holding(Number(port), Number(epoch), Number(leasePort), Number(leaseEpoch));
        }
        else
        {
            throw new InvalidOperationException($"The daemon said '{line}'.");
        }
    }

    /// <summary>Checks what came back, and goes on from there.</summary>
    public void Check(IReadOnlyList<PortEntry> entries, string when)
    {
        Dictionary<string, Holding> found = [];
        foreach (PortEntry entry in entries.Where(entry => entry.State is not (PortState.Cooling or PortState.Foreign)))
        {
            Holding holding = found.GetValueOrDefault(entry.Owner);
            if (entry.State == PortState.Reserved)
            {
                holding.LeaseEpoch.Should().Be(0, "{0}: {1} has one lease at most", when, entry.Owner);
                found[entry.Owner] = holding with { LeasePort = entry.Port, LeaseEpoch = entry.Epoch };
            }
            else
            {
                entry.State.Should().Be(PortState.Recovered, "{0}: {1}'s process lives", when, entry.Owner);
                holding.Epoch.Should().Be(0, "{0}: {1} has one port at most", when, entry.Owner);
                found[entry.Owner] = holding with { Port = entry.Port, Epoch = entry.Epoch };
            }
        }

        foreach (IGrouping<int, PortEntry> port in entries.Where(entry => entry.State is PortState.Recovered or PortState.Reserved).GroupBy(entry => entry.Port))
        {
            port.Select(entry => entry.State == PortState.Reserved ? entry.Owner : entry.ProcessId.ToString(CultureInfo.InvariantCulture))
                .Distinct().Should().HaveCount(1, "{0}: nobody shares port {1} but owners of one process", when, port.Key);
        }

        foreach (string owner in _acknowledged.Keys.Union(found.Keys).Union(_underWay.Keys).ToArray())
        {
            Holding was = _acknowledged.GetValueOrDefault(owner), now = found.GetValueOrDefault(owner);
            string? verb = _underWay.GetValueOrDefault(owner);
            MayBecome(was, now, verb).Should().BeTrue("{0}: {1} had {2} when it was last acknowledged, {3} was under way, and has {4} now", when, owner, was, verb ?? "nothing", now);
            _acknowledged[owner] = now;
        }

        _underWay.Clear();
    }

    /// <summary>What was acknowledged, or with the one change that was under way.</summary>
    private static bool MayBecome(Holding was, Holding now, string? verb) => now == was || verb switch
    {
        "acquire" => now.Epoch == was.Epoch && now.Port == was.Port && now.LeaseEpoch > Math.Max(was.Epoch, was.LeaseEpoch),
        "register" => now == new Holding(was.LeasePort, was.LeaseEpoch, 0, 0),
        "giveback" => now == was with { LeasePort = 0, LeaseEpoch = 0 },
        "replace" => now.LeaseEpoch == was.LeaseEpoch && now.Epoch > was.Epoch,
        "release" => now == was with { Port = 0, Epoch = 0 },
        _ => false,
    };

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private readonly record struct Holding(long Port, long Epoch, long LeasePort, long LeaseEpoch);
}
