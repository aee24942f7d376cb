using System.Globalization;

namespace Portmap.TestKit.Crashes;

/// <summary>What a daemon acknowledged before it was killed, against what comes back; see
/// <see cref="CrashMix"/> for what it says.</summary>
public sealed class CrashBook
{
    private readonly Dictionary<(string Owner, PortProtocol Protocol), Holding> _acknowledged = [];
    private readonly Dictionary<(string Owner, PortProtocol Protocol), (string Verb, long Port, string Kind)> _underWay = [];
    private readonly Dictionary<(string Owner, PortProtocol Protocol), long> _highest = [];   // an open lease apart: a sign-in beside it may lie below it
    private readonly Dictionary<(string Owner, PortProtocol Protocol), (long Port, long LeaseEpoch)> _inDoubt = [];   // registrations by leases that are open
    private readonly Dictionary<(string Owner, PortProtocol Protocol), Holding> _toldAgain = [];   // what the owner had when another one in its place was refused
    private readonly HashSet<string> _kinds = [];
    private readonly Dictionary<string, int> _struck = [];

    public long Acknowledged { get; private set; }

    /// <summary>What was acknowledged and changed anything, of <see cref="CrashMix.Kinds"/>.</summary>
    public IReadOnlySet<string> Kinds => _kinds;

    /// <summary>Of each word of the kinds, how many daemons ended while such a change was under
    /// way.</summary>
    public IReadOnlyDictionary<string, int> Struck => _struck;

    /// <summary>Takes one line. A last line that was cut off by the kill is none.</summary>
    /// <exception cref="InvalidOperationException">The line is none, or says an epoch that does not
    /// come after the owner's earlier ones.</exception>
    public void Note(string line)
    {
        string[] words = line.Split(' ');
        if (words is [">", _, _, string verb, string wanted, string kind])
        {
            _underWay[Key(words)] = (verb, Number(wanted), kind);
        }
        else if (words is ["=", _, _, "bound", string port, string epoch, "lease", string leasePort, string leaseEpoch])
        {
            Holding was = _acknowledged.GetValueOrDefault(Key(words)), now = new(Number(port), Number(epoch), Number(leasePort), Number(leaseEpoch));
            Acknowledged++;
            if (_underWay.TryGetValue(Key(words), out (string Verb, long Port, string Kind) begun) && (now != was || begun.Verb == "extend"))
            {
                _kinds.Add(begun.Kind);
            }

            if (now != was)
            {
                _inDoubt.Clear();   // what is written after a failure takes the place of all that may be on the disk since
            }

            _underWay.Remove(Key(words));
            _acknowledged[Key(words)] = now;
            NoteEpochs(Key(words), was, now, line);
        }
        else
        {
            throw new InvalidOperationException($"The daemon said '{line}'.");
        }
    }

    /// <summary>Checks what came back, and goes on from there.</summary>
    /// <param name="entries">What is there.</param>
    /// <param name="when">When it is looked at, for the complaint.</param>
    /// <param name="isRunning">The daemon goes on: nothing was restarted.</param>
    /// <exception cref="InvalidOperationException">Something is lost, or is there that nobody
    /// made.</exception>
    public void Check(IReadOnlyList<PortEntry> entries, string when, bool isRunning = false)
    {
        Dictionary<(string Owner, PortProtocol Protocol), Holding> found = [];
        foreach (PortEntry entry in entries.Where(entry => entry.State is not (PortState.Cooling or PortState.Foreign)))
        {
            (string Owner, PortProtocol Protocol) key = (entry.Owner, entry.Protocol);
            Holding holding = found.GetValueOrDefault(key);
            if (entry.State == PortState.Reserved)
            {
                Require(holding.LeaseEpoch == 0, $"{when}: {key} has one lease at most");
                found[key] = holding with { LeasePort = entry.Port, LeaseEpoch = entry.Epoch ?? 0 };
            }
            else
            {
                Require(entry.State == (isRunning ? PortState.Bound : PortState.Recovered), $"{when}: the process of {key} lives, and it is {entry.State}");
                Require(holding.Epoch == 0, $"{when}: {key} has one port at most");
                found[key] = holding with { Port = entry.Port, Epoch = entry.Epoch ?? 0 };
            }
        }

        foreach (IGrouping<(PortProtocol, int), PortEntry> port in entries
            .Where(entry => entry.Port != 0 && entry.State is PortState.Recovered or PortState.Bound or PortState.Reserved).GroupBy(entry => (entry.Protocol, entry.Port)))
        {
            Require(
                port.Select(entry => entry.State == PortState.Reserved ? entry.Owner : FormattableString.Invariant($"{entry.ProcessId}")).Distinct().Count() == 1,
                $"{when}: nobody shares port {port.Key} but owners of one process");
        }

        Dictionary<long, bool> together = [];   // what was begun together, and whether it is there
        foreach ((string Owner, PortProtocol Protocol) key in _acknowledged.Keys.Union(found.Keys).Union(_underWay.Keys).ToArray())
        {
            Holding was = _acknowledged.GetValueOrDefault(key), now = found.GetValueOrDefault(key), told = isRunning ? was : ToldAgain(key, was, now);
            (string? verb, long port, _) = _underWay.GetValueOrDefault(key);
            Require(
                MayBecome(was, now, verb, port)
                || MayBecome(told, now, verb, port)
                || (_inDoubt.TryGetValue(key, out (long Port, long LeaseEpoch) doubt) && was.LeaseEpoch == doubt.LeaseEpoch && MayBecome(was, now, "register", doubt.Port)),
                $"{when}: {key} had {was} when it was last acknowledged, {verb ?? "nothing"} {port} was under way, and has {now} now");
            if (verb == "together")
            {
                Require(together.TryAdd(port, now != told) || together[port] == (now != told), $"{when}: {key} had {was} and has {now}, and what was asked for together with it came out otherwise");
            }

            if (isRunning && verb == "register" && was.LeaseEpoch != 0 && (was.Epoch == 0 || was.LeasePort != 0))
            {
                // It was refused because its fact could not be written. That fact may be on the disk
                // all the same, and nothing is written against it: that would be the end of its lease
                // too (Persistence/DESIGN.md).
                _inDoubt[key] = (port, was.LeaseEpoch);
            }

            if (isRunning && verb == "register" && now == was && was is { Epoch: not 0, LeaseEpoch: not 0, LeasePort: 0 } && was.Port == port && _toldAgain.GetValueOrDefault(key).Epoch != was.Epoch)
            {
                // That one had a number of its own. On this port its end would be the end of what it
                // was to replace, which is told again under its number instead.
                _toldAgain[key] = was;
            }

            _acknowledged[key] = now;
            NoteEpochs(key, was, now, when);
        }

        if (!isRunning)
        {
            _inDoubt.Clear();   // the opening has written what it found
            _toldAgain.Clear();
        }

        foreach (string word in isRunning ? [] : _underWay.Values.SelectMany(begun => begun.Kind.Split('/')).Distinct())
        {
            _struck[word] = _struck.GetValueOrDefault(word) + 1;
        }

        _underWay.Clear();
    }

    /// <summary>What was acknowledged, as the next opening finds it: a registration that was told
    /// again has the number of the one that was refused, which lies above that of the lease.</summary>
    private Holding ToldAgain((string Owner, PortProtocol Protocol) key, Holding was, Holding now) =>
        _toldAgain.TryGetValue(key, out Holding stood) && (was.Port, was.Epoch) == (stood.Port, stood.Epoch) && now.Port == was.Port && now.Epoch > Math.Max(stood.Epoch, stood.LeaseEpoch)
            ? was with { Epoch = now.Epoch }
            : was;

    /// <summary>What was acknowledged, or with the one change that was under way.</summary>
    private static bool MayBecome(Holding was, Holding now, string? verb, long port) => now == was || verb switch
    {
        "acquire" or "together" => now.Epoch == was.Epoch && now.Port == was.Port && now.LeaseEpoch > Math.Max(was.Epoch, was.LeaseEpoch),
        "register" => now.Port == port && now.Epoch >= was.LeaseEpoch && now.Epoch > was.Epoch && now.LeaseEpoch == 0,
        "giveback" => now == was with { LeasePort = 0, LeaseEpoch = 0 },
        "replace" => now.Port == port && now.Epoch > was.Epoch && now.LeaseEpoch == was.LeaseEpoch,
        "release" => now == was with { Port = 0, Epoch = 0 },
        _ => false,
    };

    /// <summary>Of two claims of one owner the later one has the higher epoch; but a registration
    /// beside an open lease may lie below that, and one by a lease may have its number.</summary>
    private void NoteEpochs((string Owner, PortProtocol Protocol) key, Holding was, Holding now, string when)
    {
        long highest = _highest.GetValueOrDefault(key), over = now.LeaseEpoch != was.LeaseEpoch ? was.LeaseEpoch : 0;
        if (now.Epoch != 0 && now.Epoch != was.Epoch)
        {
            Require(now.Epoch > highest && now.Epoch >= over, $"'{when}': {key} is registered with epoch {now.Epoch} after {Math.Max(highest, over)}");
            highest = now.Epoch;
        }

        highest = Math.Max(highest, over);
        Require(now.LeaseEpoch == 0 || now.LeaseEpoch == was.LeaseEpoch || now.LeaseEpoch > highest, $"'{when}': {key} has a lease with epoch {now.LeaseEpoch} after {highest}");
        _highest[key] = highest;
    }

    private static (string Owner, PortProtocol Protocol) Key(string[] words) => (words[1], Enum.Parse<PortProtocol>(words[2]));

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException(what);
        }
    }

    private readonly record struct Holding(long Port, long Epoch, long LeasePort, long LeaseEpoch);
}
