using System.Net.Sockets;
using Portmap.Guarding;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>No descriptor outlives its claim, whichever way the claim ends: /proc/self/fd before
/// and after.</summary>
[Collection(AloneCollection.Name)]
public sealed class GuardLeakTests
{
    private const int Acquisitions = 10_000;

    [Fact]
    public async Task TenThousandAcquisitions_WithEveryEnding_LeaveNoDescriptor()
    {
        await RunAsync(500);   // what the runtime opens once
        int before = Descriptors();

        await RunAsync(Acquisitions);

        Descriptors().Should().BeLessThanOrEqualTo(before);
    }

    [Fact]
    public async Task Control_ADescriptorThatIsKept_IsCounted()
    {
        await RunAsync(500);
        int before = Descriptors();
        using Socket kept = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        await RunAsync(500);

        Descriptors().Should().BeGreaterThan(before);
    }

    /// <summary>The sockets among /proc/self/fd; what else the runtime opens and closes at its own
    /// time is not ours.</summary>
    private static int Descriptors() => ProcessSockets.Of(Environment.ProcessId)!.Count;

    private static async Task RunAsync(int acquisitions)
    {
        Scene scene = Scene.OnRealPorts(PortBlock.Take(60), options => (options.ReuseDelay, options.ReconcileInterval) = (TimeSpan.Zero, TimeSpan.FromHours(24)));
        HashSet<PortChangeKind> endings = [];
        long revision = scene.Registry.Snapshot().Revision;
        for (int done = 0; done < acquisitions;)
        {
            done += await OneOfEachEndingAsync(scene, done);
            revision = await NoteAsync(scene.Registry, revision, endings);
        }

        endings.Should().Contain([
            PortChangeKind.Released, PortChangeKind.Expired, PortChangeKind.Died, PortChangeKind.Disconnected, PortChangeKind.Replaced,
            PortChangeKind.Taken, PortChangeKind.BindFailed, PortChangeKind.StoppedListening]);
        int held = scene.Registry.Guard.Count;
        held.Should().BeGreaterThan(0, "the rest ends with the registry");
        await scene.DisposeAsync();
        scene.Registry.Guard.Count.Should().Be(0);
    }

    /// <returns>How many acquisitions it took.</returns>
    private static async Task<int> OneOfEachEndingAsync(Scene scene, int done)
    {
        PortRequest Ask(string owner, PortProtocol protocol = PortProtocol.Tcp) => new($"{owner}/{done}") { Guard = (PortGuardMode)(done / 10 % 4), Protocol = protocol };

        for (int i = 0; i < 10; i++)
        {
            scene.Acquire(Ask("released")).TryRelease(out _);
            scene.Acquire(Ask("both", PortProtocol.TcpAndUdp)).TryRelease(out _);
            PortLease opened = scene.Acquire(Ask("opened", PortProtocol.TcpAndUdp));
            opened.OpenGate();
            opened.TryRelease(out _);

            PortLease taken = scene.Acquire(Ask("taken"));
            scene.Here.RegisterRefused($"thief/{done}", taken.Port).Reason.Should().Be(PortRefusalReason.NotListening);
            taken.OpenGate();
            using Socket thief = Knock.TryTake(taken.Port)!;
            scene.Here.Register($"thief/{done}", taken.Port);
            scene.Here.Release($"thief/{done}");

            PortLease failed = scene.Acquire(Ask("failed"));
            await failed.ReportBindFailureAsync();
            failed.TryRelease(out _);

            PortLease served = scene.Acquire(Ask("served"));
            served.OpenGate();
            scene.Here.Register(served.Owner, served.Port, served.Epoch);
            PortLease next = scene.Acquire(Ask("served"));
            scene.AcquireRefused(Ask("served")).Reason.Should().Be(PortRefusalReason.AlreadyReserved);
            next.OpenGate();
            using Socket server = Knock.TryTake(next.Port)!;
            scene.Here.Register(next.Owner, next.Port, next.Epoch);   // replaces the first
            scene.Here.Release(next.Owner);
        }

        // Those that take a pass, the clock or a process: once for each ten of the others.
        PortLease silent = scene.Acquire(Ask("silent"));
        scene.Here.Register(silent.Owner, silent.Port, silent.Epoch);
        scene.Registry.Reconcile();
        scene.Registry.Reconcile();
        scene.Registry.Reconcile();

        PortLease left = scene.Acquire(Ask("left"));
        PortSession leaving = scene.Registry.OpenSession(null);
        leaving.Register(left.Owner, left.Port, left.Epoch);
        await leaving.DisposeAsync();

        PortLease orphaned = scene.Acquire(Ask("orphaned"));
        using (Child child = Child.Start())
        {
            scene.SessionOf(child).Register(orphaned.Owner, orphaned.Port, orphaned.Epoch);
            child.Kill();
        }

        scene.Acquire(Ask("expired"));
        scene.Clock.Advance(TimeSpan.FromSeconds(62));
        await Eventually.TrueAsync(() => !scene.Registry.TryGetEntry($"expired/{done}", out _) && !scene.Registry.TryGetEntry($"orphaned/{done}", out _));
        scene.Acquire(Ask("held") with { Guard = PortGuardMode.UntilRegistered });
        return 75;
    }

    private static async Task<long> NoteAsync(PortRegistry registry, long revision, HashSet<PortChangeKind> endings)
    {
        long last = registry.Snapshot().Revision;
        using CancellationTokenSource limit = Deadline.Source();
        await foreach (PortChange change in registry.ChangesAsync(revision, limit.Token))
        {
            endings.Add(change.Kind);
            if (change.Revision >= last)
            {
                break;
            }
        }

        return last;
    }

    [Fact]
    public async Task HoldingAPort_CostsAtMostOneKilobyteOfManagedMemory()
    {
        // 10,000 ports would take all test ports of the machine; a port costs the same among 4,000.
        PortRange low = PortBlock.Take(1_000), high = PortBlock.Take(1_000);   // so many in a row may not be free
        PortLease[] leases = new PortLease[2 * (low.Count + high.Count)];
        await using Scene scene = Scene.OnRealPorts(low, options => (options.Ports, options.MaxGuards) = ($"{low},{high}", leases.Length));
        scene.Acquire(new PortRequest("first") { Protocol = PortProtocol.TcpAndUdp }).TryRelease(out _);   // the tables of both protocols
        string[] owners = [.. leases.Select((_, i) => $"b{i}")];
        long before = GC.GetTotalMemory(forceFullCollection: true);

        for (int i = 0; i < leases.Length; i++)
        {
            leases[i] = scene.Acquire(new PortRequest(owners[i]) { Protocol = (PortProtocol)(i % 2) });
        }

        long each = (GC.GetTotalMemory(forceFullCollection: true) - before) / leases.Length;
        leases.Count(lease => lease.Guarantee == PortGuarantee.Exclusive).Should().BeGreaterThan(leases.Length * 9 / 10);
        each.Should().BeLessThanOrEqualTo(1_024);
        GC.KeepAlive(owners);
    }
}
