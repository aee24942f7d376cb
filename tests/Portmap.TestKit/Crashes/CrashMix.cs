using System.Globalization;

namespace Portmap.TestKit.Crashes;

/// <summary>What comes to a daemon in the tests of crashes: leases of both strategies, for TCP, UDP
/// or both, alone or several together, and more time for them, registrations by them, beside them and
/// without any, replacements and releases, by a few processes that live. Each thread has owners and
/// processes of its own.</summary>
/// <remarks> It says what it is about to do before it does it, and that it was acknowledged
/// afterwards, each with one call:
/// <code>
///   > OWNER PROTOCOL VERB PORT KIND                         begun
///   > OWNER PROTOCOL together NUMBER KIND                   the same, of what was begun with one number all or none
///   = OWNER PROTOCOL bound PORT EPOCH lease PORT EPOCH      acknowledged, with what the owner has now (0 0: nothing)
/// </code>
/// </remarks>
public sealed class CrashMix
{
    private static readonly PortProtocol[] s_single = [PortProtocol.Tcp, PortProtocol.Udp], s_all = [.. s_single, PortProtocol.TcpAndUdp];

    /// <summary>What it does: of leases by which strategy, of registrations by a lease, without one
    /// while one is open (beside) or while none is (own), and whether they replace another, and on
    /// which protocol. A lease for both is one
    /// kind, also where half of it is meant.</summary>
    public static IReadOnlyList<string> Kinds { get; } =
    [
        .. s_all.SelectMany(protocol => (string[])
        [
            $"acquire/ProcessBinds/{protocol}", $"acquire/AllocatorPicks/{protocol}", $"together/ProcessBinds/{protocol}", $"together/AllocatorPicks/{protocol}",
            $"register/lease/{protocol}", $"replace/lease/{protocol}", $"giveback/{protocol}", $"extend/{protocol}",
        ]),
        .. s_single.SelectMany(protocol => (string[])
        [
            $"register/own/{protocol}", $"replace/own/{protocol}", $"register/beside/{protocol}", $"replace/beside/{protocol}", $"release/{protocol}",
        ]),
    ];

    private const int Owners = 5;

    /// <summary>Of the ports that processes bring; each process has so many.</summary>
    private const int OwnPorts = 4;

    private readonly PortRegistry _registry;
    private readonly Action<string> _say;
    private readonly int _thread;
    private readonly int[] _processes;
    private readonly PortSession[] _sessions;
    private readonly Dictionary<(string Owner, PortProtocol Protocol), Holding> _holdings = [];
    private int _asks;

    /// <param name="registry">The registry, just opened, or after nothing is under way any
    /// more.</param>
    /// <param name="thread">The number of the thread, whose owners these are.</param>
    /// <param name="processes">Its processes, two or more.</param>
    /// <param name="say">Takes one or more whole lines.</param>
    public CrashMix(PortRegistry registry, int thread, int[] processes, Action<string> say)
    {
        _registry = registry;
        _say = say;
        _thread = thread;
        _processes = processes;
        _sessions = [.. processes.Select(process => registry.OpenSession(process))];
        foreach (PortEntry entry in registry.Snapshot().Entries.Where(entry => entry.Owner.StartsWith(Name(string.Empty), StringComparison.Ordinal)))
        {
            Holding holding = _holdings.GetValueOrDefault((entry.Owner, entry.Protocol));
            if (entry.State == PortState.Reserved)
            {
                _holdings[(entry.Owner, entry.Protocol)] = holding with { LeasePort = entry.Port, LeaseEpoch = entry.Epoch ?? 0 };
            }
            else if (entry.State is PortState.Recovered or PortState.Bound)
            {
                _holdings[(entry.Owner, entry.Protocol)] = holding with { Port = entry.Port, Epoch = entry.Epoch ?? 0, Session = Array.IndexOf(processes, entry.ProcessId ?? 0) };
            }
        }
    }

    /// <summary>Begins one change; the task ends when it was acknowledged.</summary>
    public async Task StepAsync(Random random)
    {
        int number = random.Next(Owners);
        string owner = NameOf(number);
        PortProtocol protocol = ProtocolOf(number);
        PortProtocol one = protocol == PortProtocol.TcpAndUdp ? s_single[random.Next(2)] : protocol;
        Holding now = _holdings.GetValueOrDefault((owner, one));
        bool anyLease = HasLease(owner);
        int choice = random.Next(10);
        if (!anyLease && choice < 2)
        {
            await AcquireTogetherAsync([.. Enumerable.Range(0, Owners).Where(other => !HasLease(NameOf(other)))], random);
        }
        else if (!anyLease && choice < 4)
        {
            await AcquireAsync(owner, protocol, random.Next(2) == 0 ? "ProcessBinds" : "AllocatorPicks");
        }
        else if (now.LeaseEpoch != 0 && choice < 4)
        {
            // A lease may replace the registration of another process.
            int session = random.Next(_sessions.Length), port = now.LeasePort != 0 ? now.LeasePort : OwnPort(session, random);
            await RegisterAsync(owner, one, session, port, now.LeaseEpoch, "register", $"{(now.Epoch == 0 ? "register" : "replace")}/lease/{protocol}");
        }
        else if (now.LeaseEpoch != 0 && choice < 5)
        {
            await GiveBackAsync(owner, one, protocol);
        }
        else if (now.LeaseEpoch != 0 && choice < 8)
        {
            // A lease without a port is used up by whoever comes, but for the process that the owner has.
            if (now.LeasePort != 0 || now.Epoch != 0)
            {
                int session = now.Epoch != 0 ? now.Session : random.Next(_sessions.Length);
                await RegisterAsync(owner, one, session, OwnPort(session, random), 0, "replace", $"{(now.Epoch == 0 ? "register" : "replace")}/beside/{one}");
            }
        }
        else if (now.LeaseEpoch != 0 && choice < 9)
        {
            if (OpenHalves(owner, one, protocol) is var halves && halves.Length == HalvesOf(protocol).Length)
            {
                await ExtendAsync(owner, halves, protocol, TimeSpan.FromHours(random.Next(1, 25)));
            }
        }
        else if (!anyLease && choice < 9)
        {
            int session = now.Epoch != 0 ? now.Session : random.Next(_sessions.Length);
            await RegisterAsync(owner, one, session, OwnPort(session, random), 0, "replace", $"{(now.Epoch == 0 ? "register" : "replace")}/own/{one}");
        }
        else if (now.Epoch != 0 && choice == 9)
        {
            _say(string.Create(CultureInfo.InvariantCulture, $"> {owner} {one} release {now.Port} release/{one}\n"));
            await _sessions[now.Session].ReleaseAsync(new PortClaimRequest(owner, now.Port) { Protocol = one });
            Acknowledge(owner, one, now with { Port = 0, Epoch = 0 });
        }
    }

    private async Task AcquireAsync(string owner, PortProtocol protocol, string strategy)
    {
        PortProtocol[] halves = HalvesOf(protocol);
        _say(string.Concat(halves.Select(half => $"> {owner} {half} acquire 0 acquire/{strategy}/{protocol}\n")));
        try
        {
            PortLease lease = await _registry.AcquireAsync(new PortRequest(owner) { Protocol = protocol, Strategy = strategy });
            Acknowledge(owner, halves, was => was with { LeasePort = lease.Port, LeaseEpoch = lease.Epoch });
        }
        catch (PortRefusedException refused) when (refused.Refusal.Reason == PortRefusalReason.Exhausted)
        {
            Acknowledge(owner, halves, was => was);   // nothing has changed, and that is acknowledged
        }
    }

    /// <summary>For all these owners at once; in a row, where the registry picks.</summary>
    private async Task AcquireTogetherAsync(int[] numbers, Random random)
    {
        bool contiguous = random.Next(2) == 0;
        PortRequest[] requests = [.. numbers.Select(number => new PortRequest(NameOf(number))
        {
            Protocol = ProtocolOf(number),
            Strategy = contiguous || random.Next(2) == 0 ? "AllocatorPicks" : "ProcessBinds",
        })];
        int ask = ++_asks;
        _say(string.Concat(requests.SelectMany(request => HalvesOf(request.Protocol).Select(half => string.Create(CultureInfo.InvariantCulture, $"> {request.Owner} {half} together {(_thread * 1_000_000) + ask} together/{request.Strategy}/{request.Protocol}\n")))));
        IReadOnlyList<PortLease>? leases = null;
        try
        {
            leases = await _registry.AcquireAllAsync(requests, contiguous);
        }
        catch (PortRefusedException refused) when (refused.Refusal.Reason == PortRefusalReason.Exhausted)
        {
            // Nothing has changed, and that is acknowledged.
        }

        _say(string.Concat(requests.Select((request, i) => Note(request.Owner, HalvesOf(request.Protocol), was => leases is null ? was : was with { LeasePort = leases[i].Port, LeaseEpoch = leases[i].Epoch }))));
    }

    private async Task RegisterAsync(string owner, PortProtocol protocol, int session, int port, long epoch, string verb, string kind)
    {
        _say(string.Create(CultureInfo.InvariantCulture, $"> {owner} {protocol} {verb} {port} {kind}\n"));
        Holding was = _holdings.GetValueOrDefault((owner, protocol));
        PortEntry entry = await _sessions[session].RegisterAsync(new PortClaimRequest(owner, port) { Epoch = epoch, Protocol = protocol });
        was = epoch != 0 ? was with { LeasePort = 0, LeaseEpoch = 0 } : was;
        Acknowledge(owner, protocol, was with { Port = entry.Port, Epoch = entry.Epoch ?? 0, Session = session });
    }

    /// <summary>Of a lease for both protocols the other half ends with the first, unless it was
    /// used up.</summary>
    private async Task GiveBackAsync(string owner, PortProtocol one, PortProtocol protocol)
    {
        PortProtocol[] halves = OpenHalves(owner, one, protocol);
        _say(string.Concat(halves.Select(half => $"> {owner} {half} giveback 0 giveback/{protocol}\n")));
        await _sessions[0].ReleaseAsync(new PortClaimRequest(owner) { Epoch = _holdings[(owner, one)].LeaseEpoch, Protocol = one });
        Acknowledge(owner, halves, was => was with { LeasePort = 0, LeaseEpoch = 0 });
    }

    private async Task ExtendAsync(string owner, PortProtocol[] halves, PortProtocol protocol, TimeSpan time)
    {
        _say(string.Concat(halves.Select(half => $"> {owner} {half} extend 0 extend/{protocol}\n")));
        await _sessions[0].ExtendAsync(new PortClaimRequest(owner) { Epoch = _holdings[(owner, halves[0])].LeaseEpoch, Protocol = halves[0] }, time);
        Acknowledge(owner, halves, was => was);   // what it has is as before
    }

    /// <summary>The protocols on which the lease is open that the owner has on one of
    /// them.</summary>
    private PortProtocol[] OpenHalves(string owner, PortProtocol one, PortProtocol protocol) =>
        [.. HalvesOf(protocol).Where(half => _holdings.GetValueOrDefault((owner, half)).LeaseEpoch == _holdings[(owner, one)].LeaseEpoch)];

    private void Acknowledge(string owner, PortProtocol protocol, Holding now) => Acknowledge(owner, [protocol], _ => now);

    private void Acknowledge(string owner, PortProtocol[] halves, Func<Holding, Holding> change) => _say(Note(owner, halves, change));

    private string Note(string owner, PortProtocol[] halves, Func<Holding, Holding> change)
    {
        string lines = string.Empty;
        foreach (PortProtocol half in halves)
        {
            Holding now = change(_holdings.GetValueOrDefault((owner, half)));
            _holdings[(owner, half)] = now;
            lines += string.Create(CultureInfo.InvariantCulture, $"= {owner} {half} bound {now.Port} {now.Epoch} lease {now.LeasePort} {now.LeaseEpoch}\n");
        }

        return lines;
    }

    private static PortProtocol ProtocolOf(int number) => (number % 3) switch { 0 => PortProtocol.Tcp, 1 => PortProtocol.Udp, _ => PortProtocol.TcpAndUdp };

    private static PortProtocol[] HalvesOf(PortProtocol protocol) => protocol == PortProtocol.TcpAndUdp ? s_single : [protocol];

    private bool HasLease(string owner) => Array.Exists(s_single, half => _holdings.GetValueOrDefault((owner, half)).LeaseEpoch != 0);

    private string NameOf(int number) => Name(number.ToString(CultureInfo.InvariantCulture));

    private string Name(string owner) => string.Create(CultureInfo.InvariantCulture, $"t{_thread}/{owner}");

    private int OwnPort(int session, Random random) => 40_000 + (((_thread * _processes.Length) + session) * OwnPorts) + random.Next(OwnPorts);

    private readonly record struct Holding(int Port, long Epoch, int LeasePort, long LeaseEpoch, int Session);
}
