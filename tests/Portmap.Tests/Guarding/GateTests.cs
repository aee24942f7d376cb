using System.Net;
using System.Net.Sockets;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>The gate of a guarded port, from the acquisition to the end, as strangers and the
/// owner's process meet it: real sockets.</summary>
[Collection(AloneCollection.Name)]
public sealed class GateTests
{
    public static TheoryData<string> Addresses { get; } = new() { "0.0.0.0", "::", "127.0.0.1", "::1" };

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task TryAcquire_GateClosed_NobodyBindsThePort(string address)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");

        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        foreach (bool reuse in (bool[])[true, false])
        {
            Knock.GetsIn(lease.Port, IPAddress.Parse(address), reuse).Should().BeFalse("reuse {0}", reuse);
            Knock.GetsIn(lease.Port, IPAddress.Parse(address), reuse, listen: false).Should().BeFalse("a silent bind is refused too (reuse {0})", reuse);
        }

        (await Knock.ConnectsAsync(lease.Port)).Should().BeFalse("a readiness check must not be told that somebody serves");
    }

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task OpenGate_ProgramWithReuseAddr_BindsAndListensAndTheThirdIsRefused(string address)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");

        lease.OpenGate();

        lease.Guarantee.Should().Be(PortGuarantee.Admitting);
        Knock.GetsIn(lease.Port, IPAddress.Parse(address), reuse: false).Should().BeFalse("only who has SO_REUSEADDR gets in");
        using Socket? worker = Knock.TryTake(lease.Port, IPAddress.Parse(address));
        worker.Should().NotBeNull();
        Knock.GetsIn(lease.Port, IPAddress.Parse(address)).Should().BeFalse("the worker listens");
    }

    [Fact]
    public async Task TryAcquire_BothProtocolsAndUdpIsAStrangers_TheTcpPlaceholderIsGone()
    {
        int port = PortBlock.TakeOne();
        await using Scene scene = Scene.OnRealPorts(new PortRange(port, port));
        using Stranger udp = Stranger.OnUdp(port);

        scene.AcquireRefused(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }).Reason.Should().Be(PortRefusalReason.Exhausted);

        using Stranger tcp = Stranger.Listening(port);
    }

    [Fact]
    public async Task TryAcquire_OneOwnerTooMany_ItsPlaceholderIsGone()
    {
        int port = PortBlock.TakeOne();
        await using Scene scene = Scene.OnRealPorts(new PortRange(port, port), options => options.MaxOwners = 1);
        scene.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds });

        scene.AcquireRefused("b").Reason.Should().Be(PortRefusalReason.TooManyOwners);

        using Stranger stranger = Stranger.Listening(port);
    }

    [Fact]
    public async Task PrepareStart_OpensTheGate()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");

        lease.PrepareStart(new System.Diagnostics.ProcessStartInfo("brick"));

        lease.Guarantee.Should().Be(PortGuarantee.Admitting);
        Knock.GetsIn(lease.Port).Should().BeTrue();
    }

    [Fact]
    public async Task OpenGate_IsReportedOnceToWatchAndShowsInTheEntry()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        await using WatchReader changes = WatchReader.FromNow(scene.Registry);
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        lease.OpenGate();
        scene.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        lease.TryRelease(out _).Should().BeTrue();

        entry.Guarantee.Should().Be(PortGuarantee.Admitting);
        (await changes.NextAsync()).Entry.Guarantee.Should().Be(PortGuarantee.Exclusive);
        PortChange opened = await changes.NextAsync();
        opened.Kind.Should().Be(PortChangeKind.GuaranteeChanged);
        opened.Entry.Guarantee.Should().Be(PortGuarantee.Admitting);
        (await changes.NextAsync()).Kind.Should().Be(PortChangeKind.Released);
    }

    [Theory]
    [InlineData(PortGuardMode.UntilRegistered)]
    [InlineData(PortGuardMode.WhileAlive)]
    public async Task Register_WithAHigherEpochThanItsLease_ThePlaceholderOfTheLeaseGoes(PortGuardMode guard)
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Guard = guard);
        using Socket? other = Knock.TryTake(range.Last);
        PortLease lease = scene.Acquire(new PortRequest("a") { Previous = range.First, Reuse = PortReuse.Require });
        scene.Here.Register("c", range.Last);
        scene.Here.TryRelease("c", out _).Should().BeTrue();
        long given = lease.Epoch;
        scene.Here.Register("a", range.Last).Epoch.Should().BeGreaterThan(given, "the port has seen a higher one");
        lease.OpenGate();
        using Socket? worker = Knock.TryTake(range.First);

        scene.Here.Register("a", range.First, given).Epoch.Should().BeGreaterThan(given);

        scene.Registry.Guard.Count.Should().Be(0, "else it stays until the port is given to somebody else");
        scene.Here.TryRelease("a", out _).Should().BeTrue();
        scene.Registry.Guard.Count.Should().Be(0);
    }

    [Fact]
    public async Task Register_UntilRegistered_ThePlaceholderGoes()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using Socket? worker = Knock.TryTake(lease.Port);

        scene.Here.Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.HeldByProcess);

        lease.Guarantee.Should().Be(PortGuarantee.HeldByProcess);
        scene.Registry.Guard.Count.Should().Be(0);
        (await Knock.ConnectsAsync(lease.Port)).Should().BeTrue();
    }

    [Fact]
    public async Task Register_WhileAlive_TheGateClosesAndTheProcessGoesOnServing()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        await using WatchReader changes = WatchReader.FromNow(scene.Registry);
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using Socket? worker = Knock.TryTake(lease.Port);

        scene.Here.Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.Exclusive);

        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        (await changes.NextAsync(PortChangeKind.Registered)).Entry.Guarantee.Should().Be(PortGuarantee.Exclusive);
        (await Knock.ConnectsAsync(lease.Port)).Should().BeTrue();
        worker!.Dispose();
        Knock.GetsIn(lease.Port).Should().BeFalse("what the process left is still its own");
    }

    [Fact]
    public async Task Register_WhileAliveAndAgainOverAnotherSession_KeepsThePlaceholder()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using Socket? worker = Knock.TryTake(lease.Port);
        scene.Here.Register("b1", lease.Port, lease.Epoch);

        await using PortSession again = scene.Registry.OpenSession(Environment.ProcessId);
        again.Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.Exclusive);

        scene.Registry.Guard.Count.Should().Be(1);
        scene.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        entry.Guarantee.Should().Be(PortGuarantee.Exclusive);
        again.Release("b1");
        scene.Registry.Guard.Count.Should().Be(0, "given back is given back");
    }

    [NeedsFact("python3")]
    public async Task Died_WhileAlive_ThePortIsStillTheOwnersWhenItIsStartedAgain()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => options.Guard = PortGuardMode.WhileAlive);
        PortLease lease = scene.Acquire("b1");
        int port = lease.Port;
        lease.OpenGate();
        using (Child first = await ListeningChild.StartAsync(port))
        {
            await scene.SessionOf(first).RegisterAsync(new PortClaimRequest("b1", port) { Epoch = lease.Epoch }).AsTask().Within();
            first.Kill();
        }

        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(port) == PortState.Cooling);
        Knock.GetsIn(port).Should().BeFalse("nobody gets in between the crash and the restart");

        PortLease again = scene.Acquire(new PortRequest("b1") { Previous = port, Reuse = PortReuse.Require });
        again.Guarantee.Should().Be(PortGuarantee.Exclusive, "the placeholder was there all the time");
        Knock.GetsIn(port).Should().BeFalse();
        again.OpenGate();
        using Child second = await ListeningChild.StartAsync(port);
        (await scene.SessionOf(second).RegisterAsync(new PortClaimRequest("b1", port) { Epoch = again.Epoch }).AsTask().Within()).Guarantee.Should().Be(PortGuarantee.Exclusive);
        Knock.GetsIn(port).Should().BeFalse();
    }

    [NeedsFact("python3")]
    public async Task Died_WhileAliveAndNobodyCameBack_LetsGoAfterTheReuseDelay()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => options.Guard = PortGuardMode.WhileAlive);
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using (Child worker = await ListeningChild.StartAsync(lease.Port))
        {
            await scene.SessionOf(worker).RegisterAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).AsTask().Within();
            worker.Kill();
        }

        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);
        scene.Registry.Guard.Count.Should().Be(1);

        scene.Clock.Advance(scene.Options.ReuseDelay);

        await Eventually.TrueAsync(() => scene.Registry.Guard.Count == 0);
        Knock.GetsInSoon(lease.Port).Should().BeTrue();
    }

    [Fact]
    public async Task OpenGate_StepAside_ThePlaceholderGoesAndTheLeaseSaysSo()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(new PortRequest("b1") { Guard = PortGuardMode.StepAside });
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        Knock.GetsIn(lease.Port).Should().BeFalse();

        lease.OpenGate();

        lease.Guarantee.Should().Be(PortGuarantee.ProbedOnly);
        scene.Registry.Guard.Count.Should().Be(0);
        Knock.GetsInSoon(lease.Port, reuse: false).Should().BeTrue("a program without SO_REUSEADDR gets in");
        using Socket? worker = Knock.TryTake(lease.Port, reuse: false);
        scene.Here.Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.HeldByProcess);
    }

    [Fact]
    public async Task OpenGate_Udp_IsExclusiveUntilThenAndStepsAside()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(new PortRequest("dns") { Protocol = PortProtocol.Udp });
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        Knock.GetsIn(lease.Port, type: SocketType.Dgram).Should().BeFalse();

        lease.OpenGate();

        lease.Guarantee.Should().Be(PortGuarantee.ProbedOnly);
        Knock.GetsInSoon(lease.Port, reuse: false, SocketType.Dgram).Should().BeTrue();
    }

    [Fact]
    public async Task OpenGate_BothProtocols_SaysTheWeakerOfTheTwo()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(new PortRequest("dns") { Protocol = PortProtocol.TcpAndUdp });
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);

        lease.OpenGate();

        lease.Guarantee.Should().Be(PortGuarantee.ProbedOnly);
        scene.Registry.TryGetEntry("dns", out PortEntry tcp).Should().BeTrue();
        tcp.Guarantee.Should().Be(PortGuarantee.Admitting);
        Knock.GetsIn(lease.Port).Should().BeTrue();
        Knock.GetsInSoon(lease.Port, reuse: false, SocketType.Dgram).Should().BeTrue();
    }

    [Fact]
    public async Task OpenGate_OfALeaseThatHasEnded_LeavesTheNextOwnersGateClosed()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.ReuseDelay = TimeSpan.Zero);
        PortLease old = scene.Acquire("b1");
        old.TryRelease(out _).Should().BeTrue();
        PortLease next = scene.Acquire("b2");
        next.Port.Should().Be(old.Port);

        old.OpenGate();

        next.Guarantee.Should().Be(PortGuarantee.Exclusive);
        old.Guarantee.Should().Be(PortGuarantee.LedgerOnly, "nothing holds the port for it any more");
        Knock.GetsIn(next.Port).Should().BeFalse();
    }

    [Fact]
    public async Task TryRelease_ThePortIsBindableAtOnce()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");

        lease.TryRelease(out _).Should().BeTrue();

        Knock.GetsInSoon(lease.Port, reuse: false).Should().BeTrue();
        scene.Registry.Guard.Count.Should().Be(0);
    }

    [Fact]
    public async Task Dispose_LetsGoOfEveryPort()
    {
        PortRange range = PortBlock.Take(3);
        await using Scene scene = Scene.OnRealPorts(range);
        PortLease[] leases = [.. Enumerable.Range(0, range.Count).Select(i => scene.Acquire($"b{i}"))];
        scene.Registry.Guard.Count.Should().Be(range.Count);

        scene.Registry.Dispose();

        scene.Registry.Guard.Count.Should().Be(0);
        leases.Should().OnlyContain(lease => lease.Guarantee == PortGuarantee.ProbedOnly, "nothing holds them any more");
        Enumerable.Range(range.First, range.Count).Should().OnlyContain(port => Knock.GetsInSoon(port, false, SocketType.Stream));
    }

    [Fact]
    public async Task MaxGuards_PastIt_LeasesAreProbedOnlyAndNothingFails()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(4), options => options.MaxGuards = 2);

        PortLease[] leases = [.. Enumerable.Range(0, 4).Select(i => scene.Acquire($"b{i}"))];

        leases.Select(lease => lease.Guarantee).Should().Equal(PortGuarantee.Exclusive, PortGuarantee.Exclusive, PortGuarantee.ProbedOnly, PortGuarantee.ProbedOnly);
        scene.Registry.Guard.Count.Should().Be(2);
        leases[3].OpenGate();
        leases[3].Guarantee.Should().Be(PortGuarantee.ProbedOnly);
        Knock.GetsInSoon(leases[3].Port).Should().BeTrue();
        leases[0].TryRelease(out _).Should().BeTrue();
        leases[2].TryRelease(out _).Should().BeTrue();
        scene.Clock.Advance(TimeSpan.FromMinutes(3));
        scene.Acquire("b4").Guarantee.Should().Be(PortGuarantee.Exclusive, "there is room again");
    }

    [Fact]
    public async Task Register_OtherOwnerThroughTheOpenGate_TakesTheLeaseAndThePlaceholderGoes()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using Socket? worker = Knock.TryTake(lease.Port);

        scene.Here.Register("b2", lease.Port).Guarantee.Should().Be(PortGuarantee.HeldByProcess);

        (await lease.WhenBound.RefusalAsync()).ShouldExplain(PortRefusalReason.Taken, "b2");
        lease.Guarantee.Should().Be(PortGuarantee.LedgerOnly);
        scene.Registry.Guard.Count.Should().Be(0);
    }

    [Fact]
    public async Task ReportBindFailure_OverASession_TheNextPortsGateIsOpenAndTheFirstsIsGone()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2));
        PortLease lease = scene.Acquire("b1");
        int first = lease.Port;

        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", first) { Epoch = lease.Epoch }).AsTask().Within();

        lease.Port.Should().NotBe(first);
        lease.Guarantee.Should().Be(PortGuarantee.Admitting, "the worker that reports binds the next one at once");
        scene.Registry.Guard.Count.Should().Be(1);
    }

    [Fact]
    public async Task ReportBindFailure_ByTheHost_TheNextPortsGateIsClosed()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2));
        PortLease lease = scene.Acquire("b1");

        await lease.ReportBindFailureAsync().AsTask().Within();

        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        scene.Registry.Guard.Count.Should().Be(1);
    }
}
