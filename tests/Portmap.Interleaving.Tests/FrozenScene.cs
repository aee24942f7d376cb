using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Portmap.Interleaving.Tests.Histories;

namespace Portmap.Interleaving.Tests;

/// <summary>A registry on which one thread is frozen, and what the others do meanwhile.</summary>
internal sealed class FrozenScene : IDisposable
{
    /// <summary>65 ports: the last one has a word of the bitmap for itself.</summary>
    private const int Count = 65;

    /// <summary>Of real sockets: the ports that the registry picks from and holds, and those that
    /// processes listen on. All scenes have the same, one after the other.</summary>
    private static readonly Lazy<int> s_real = new(() => PortBlock.Take(Count).First), s_realFar = new(() => PortBlock.Take(Far).First);

    /// <summary>How many ports processes listen on.</summary>
    private const int Far = 5;

    private static readonly TimeSpan s_leaseTimeout = TimeSpan.FromSeconds(40), s_reuseDelay = TimeSpan.FromSeconds(20), s_interval = TimeSpan.FromSeconds(1);

    private readonly ManualClock _clock = new();
    private readonly Mortal _there = new();
    private readonly CancellationTokenSource _watching = new();
    private Mortal? _mortal;
    private PortSession? _session;
    private readonly List<Socket> _listening = [];
    private PortLease? _lease;
    private int _owners;

    /// <param name="isStored">Whether there is a store, and a change counts only when it is
    /// written.</param>
    /// <param name="isGuarded">Whether the kernel is asked: placeholders hold what is acquired, and
    /// who takes something proves that it listens.</param>
    public FrozenScene(bool isStored = false, bool isGuarded = false)
    {
        FirstPort = isGuarded ? s_real.Value : 20_000;
        FarPort = isGuarded ? s_realFar.Value : 40_000;
        for (int i = 0; i < Far && isGuarded; i++)
        {
            Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _listening.Add(socket);
            socket.Bind(new IPEndPoint(IPAddress.Any, FarPort + i));
            socket.Listen();
        }

        PortRegistryOptions options = new()
        {
            Ports = new PortRange(FirstPort, LastPort).ToString(),
            Strategy = PortRegistryOptions.AllocatorPicks,
            Guard = isGuarded ? PortGuardMode.WhileAlive : PortGuardMode.UntilRegistered,
            Probe = isGuarded,
            LeaseTimeout = s_leaseTimeout,
            ReuseDelay = s_reuseDelay,
            LivenessInterval = s_interval,
        };
        Registry = isStored ? PortRegistry.OpenAsync(options, new SlowStore(fails: false), null, _clock).GetAwaiter().GetResult() : new PortRegistry(options, null, _clock);
        Here = Registry.OpenSession(Environment.ProcessId);
        There = Registry.OpenSession(_there.Id);
    }

    public PortRegistry Registry { get; }

    public int FirstPort { get; }

    public int LastPort => FirstPort + Count - 1;

    /// <summary>A port nobody was near before, so that its slots are made.</summary>
    public int FarPort { get; }

    public PortSession Here { get; }

    public PortSession There { get; }

    public PortLease Lease => _lease!;

    public void Acquire(string owner, int port = 0) =>
        Acquire(new PortRequest(owner) { Previous = port, Reuse = port != 0 ? PortReuse.Require : null });

    public void Acquire(PortRequest request) => _lease = Registry.Acquire(request, out PortLease? lease, out _) ? lease : _lease;

    public void AcquireAll(bool contiguous) =>
        Registry.AcquireAll(["frozen/2", "frozen", new PortRequest("frozen/3") { Protocol = PortProtocol.TcpAndUdp }], contiguous, out _, out _);

    public void AcquireOwn(string owner) => Acquire(new PortRequest(owner) { Strategy = PortRegistryOptions.ProcessBinds });

    public static void AcquireOver(PortSession session, string owner) => session.Acquire(owner, out _, out _);

    public void LookUp(string owner)
    {
        Registry.TryGetPort(owner, out _);
        Registry.TryGetEntry(owner, out _);
        Registry.TryGetEntry(FirstPort, out _);
        Registry.EnumerateOwners(FirstPort);
    }

    public void LetALeaseRunOut()
    {
        Here.Register(Registry, "served", FirstPort, out _, out _);
        Acquire("late");
        _clock.Advance(s_leaseTimeout);
    }

    public void LetAPortCool()
    {
        Here.Register(Registry, "gone", FirstPort, out _, out _);
        Here.Release(Registry, "gone", out _);
        _clock.Advance(s_reuseDelay * 2);
    }

    public void RegisterMortal(string owner)
    {
        _mortal = new Mortal();
        _session = Registry.OpenSession(_mortal.Id);
        _session.Register(Registry, owner, FirstPort, out _, out _).Should().BeTrue();
    }

    /// <summary>An owner that is registered, and a lease by which a process that may die can
    /// replace it.</summary>
    public void PrepareMortalsReplacement(string owner)
    {
        Here.Register(Registry, owner, FirstPort, out _, out _).Should().BeTrue();
        AcquireOwn(owner);
        _mortal = new Mortal();
        _session = Registry.OpenSession(_mortal.Id);
    }

    public void ReplaceByMortal(string owner) => _session!.Register(Registry, owner, FarPort, out _, out _, Lease.Epoch);

    public void KillMortal()
    {
        _mortal!.Kill();
        _session!.DisposeAsync().AsTask().Wait();
    }

    /// <summary>A process that registered its lease has died: the port waits for its owner.</summary>
    public void LeaveAKeptPort(string owner)
    {
        Acquire(owner);
        Lease.OpenGate();
        _mortal = new Mortal();
        _session = Registry.OpenSession(_mortal.Id);
        _session.Register(Registry, owner, Lease.Port, out _, out PortRefusal? refusal, Lease.Epoch).Should().BeTrue(refusal?.Message);
        KillMortal();
    }

    public void LetAKeptPortWaitTooLong(string owner)
    {
        LeaveAKeptPort(owner);
        _clock.Advance(s_reuseDelay);
    }

    public void AcquireAndOpen(string owner)
    {
        Acquire(owner);
        Lease.OpenGate();
    }

    public void Extend() => _ = Lease.ExtendAsync(TimeSpan.FromSeconds(1)).AsTask().Exception;

    public void ReportBindFailure()
    {
        _ = Lease.WhenBound;
        try
        {
            Lease.ReportBindFailureAsync().AsTask().WaitAsync(Deadline.Default).GetAwaiter().GetResult();
        }
        catch (PortRefusedException)
        {
            // the lease may be over, or no other port free
        }
    }

    /// <summary>Somebody waits for changes, so that a change has somebody to wake.</summary>
    public void Watch()
    {
        IAsyncEnumerator<PortUpdate> updates = Registry.WatchAsync(snapshots: false, cancellationToken: _watching.Token).GetAsyncEnumerator(_watching.Token);
        updates.MoveNextAsync().AsTask().Wait();   // where it begins
        _ = updates.MoveNextAsync().AsTask();
    }

    public void AdvanceByAnInterval() => _clock.Advance(s_interval);

    public void FillIndex()
    {
        for (; _owners < 1_365; _owners++)
        {
            AcquireOwn(NameOf(_owners));
        }
    }

    public void AddUntilItGrows()
    {
        // It grows when a bucket that is not empty gets one more; the seed of the hash decides
        // which one that is.
        for (int end = _owners + 30; _owners < end; _owners++)
        {
            AcquireOwn(NameOf(_owners));
        }
    }

    /// <summary>What the others do. On ports and owners of their own it must succeed whatever is
    /// frozen; on those of the frozen thread it must only end.</summary>
    public void DoEverything(string where)
    {
        Registry.Acquire("other", out PortLease? lease, out PortRefusal? refusal).Should().BeTrue("{0}, which must not matter: {1}", where, refusal?.Message);
        There.Register(Registry, "other", lease!.Port, out _, out refusal, lease.Epoch).Should().BeTrue("{0}, which must not matter: {1}", where, refusal?.Message);
        Registry.TryGetPort("other", out int port).Should().BeTrue(where);
        Registry.TryGetEntry(port, out PortEntry entry).Should().BeTrue(where);
        entry.Owner.Should().Be("other", where);
        There.Register(Registry, "another", FarPort + 3, out _, out _).Should().BeTrue(where);
        There.Register(Registry, "another", FarPort + 4, out _, out _).Should().BeTrue(where);
        Registry.Snapshot().Entries.Should().Contain(one => one.Owner == "another", where);
        There.Release(Registry, "another", out _).Should().BeTrue(where);
        Registry.Acquire(new PortRequest("brings") { Strategy = PortRegistryOptions.ProcessBinds }, out lease, out _).Should().BeTrue(where);
        lease!.Release(Registry, out _).Should().BeTrue(where);

        LookUp("frozen");
        Registry.Acquire("frozen", out _, out _);
        There.Register(Registry, "frozen", FarPort, out _, out _);
        Here.Register(Registry, "frozen", FarPort + 2, out _, out _);
        There.Release(Registry, "frozen", out _);
        Registry.Maintain();
        There.Release(Registry, "other", out _).Should().BeTrue(where);
    }

    /// <summary>When all have gone on and time has passed: the invariants hold, both ways to look
    /// agree, and every port that nobody has can be acquired.</summary>
    public string? FindFault()
    {
        Registry.AssertInvariants();
        foreach (TimeSpan time in (TimeSpan[])[s_leaseTimeout + TimeSpan.FromSeconds(1), s_reuseDelay * 2])
        {
            _clock.Advance(time);
            Registry.Maintain();
        }

        string[] owners = ["frozen", "frozen/2", "frozen/3", "other", "another", "brings", "first", "loser", "mortal", "served", "late", "gone"];
        return Audit.Disagreement(Registry, owners, [FirstPort, LastPort, FarPort, FarPort + 1, FarPort + 2])
            ?? Audit.Lie(Registry) ?? Audit.Unaccounted(Registry)
            ?? Audit.Leak(Registry, new PortRange(FirstPort, LastPort));
    }

    public void Dispose()
    {
        _watching.Cancel();
        Registry.Dispose();
        _watching.Dispose();
        _there.Dispose();
        _mortal?.Dispose();
        _listening.ForEach(socket => socket.Dispose());
    }

    private static string NameOf(int owner) => string.Create(CultureInfo.InvariantCulture, $"owner {owner}");
}
