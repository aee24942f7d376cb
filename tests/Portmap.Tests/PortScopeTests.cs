using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Portmap.Operations;
using Portmap.Tests.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Owners that exist once in a fleet: the lease, and what comes of it, lasts as long as
/// the claim there, and the claim as long as they.</summary>
public class PortScopeTests
{
    private static readonly PortRequest s_request = new("b1") { Scope = PortScope.Fleet };

    [Fact]
    public async Task Acquire_RegistryOfNoFleet_IsRefusedWithTheRemedy()
    {
        await using Scene scene = new();

        (await scene.Registry.AcquireAsync(s_request).RefusalAsync()).ShouldExplain(PortRefusalReason.NoFleet, "b1", "AddPortmapFleet", "Host").Owner.Should().Be("b1");
        scene.AcquireRefused(s_request).ShouldExplain(PortRefusalReason.NoFleet, "b1");
        (await scene.Registry.AcquireAllAsync(["a", s_request]).RefusalAsync()).ShouldExplain(PortRefusalReason.NoFleet, "b1").Request.Should().Be(1);
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task TryAcquire_InAFleet_NamesTheVerbThatWaits()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);

        Action one = () => scene.Registry.TryAcquire(s_request, out _, out _), all = () => scene.Registry.TryAcquireAll([s_request], false, out _, out _);

        one.Should().Throw<InvalidOperationException>().WithMessage("*b1*AcquireAsync*");
        all.Should().Throw<InvalidOperationException>().WithMessage("*b1*AcquireAsync*");
        fleet.Asked.Should().BeEmpty();
    }

    [Fact]
    public async Task Acquire_OwnerToBeHad_TellsTheWorkerTheEpochInTheFleet()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);

        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();
        ProcessStartInfo start = new("worker");
        lease.PrepareStart(start, name: "http");

        lease.FleetEpoch.Should().Be(fleet.Of("b1").Epoch);
        start.Environment["PORTMAP_HTTP_FLEET_EPOCH"].Should().Be(fleet.Of("b1").Epoch.ToString(CultureInfo.InvariantCulture));
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        scene.PortOf("b1").Should().Be(lease.Port);
        fleet.Of("b1").IsGivenBack.Should().BeFalse();
        scene.Acquire("b2").FleetEpoch.Should().BeNull("it is of this host only");
    }

    [Fact]
    public async Task Acquire_AnotherHostHasIt_IsTheFleetsRefusalAndTakesNothing()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        fleet.HolderOf["b1"] = "node7";

        PortRefusal refusal = await scene.Registry.AcquireAsync(s_request).RefusalAsync();

        refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.Conflict, Owner = "b1", Holder = "node7" });
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task Acquire_NoPortIsFree_GivesTheClaimBack()
    {
        await using Scene scene = new("20000");
        using Fleet fleet = new(scene.Registry);
        scene.Here.Register("other", 20_000);

        (await scene.Registry.AcquireAsync(s_request).RefusalAsync()).Reason.Should().Be(PortRefusalReason.Exhausted);

        fleet.Of("b1").IsGivenBack.Should().BeTrue();
    }

    [Fact]
    public async Task Acquire_OwnerServedHere_IsRefusedAndTheFleetIsNotAsked()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        Child worker = scene.StartChild();
        scene.SessionOf(worker).Register("b1", 20_003);

        (await scene.Registry.AcquireAsync(s_request).RefusalAsync()).ShouldExplain(PortRefusalReason.AlreadyServed, "b1", worker.Id);
        fleet.Asked.Should().BeEmpty();
        PortLease lease = await scene.Registry.AcquireAsync(s_request with { Owner = "b2" }).Within();
        (await scene.Registry.AcquireAsync(s_request with { Owner = "b2" }).RefusalAsync()).ShouldExplain(PortRefusalReason.AlreadyReserved, "b2", lease.Epoch);
        fleet.Asked.Should().Equal("b2");
    }

    /// <summary>A supervisor hears of a death before the registry looks, and acquires at
    /// once.</summary>
    [Fact]
    public async Task Acquire_ProcessOfTheLastHolderIsDead_GivesItsClaimBackAndClaimsAnew()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease first = await scene.Registry.AcquireAsync(s_request).Within();
        Child worker = scene.StartChild();
        scene.SessionOf(worker).Register("b1", first.Port, first.Epoch);
        Held held = fleet.Of("b1");
        worker.Kill();

        PortLease second = await scene.Registry.AcquireAsync(s_request).Within();

        held.IsGivenBack.Should().BeTrue();
        second.FleetEpoch.Should().BeGreaterThan(first.FleetEpoch!.Value);
    }

    [Theory]
    [InlineData("released lease")]
    [InlineData("expired lease")]
    [InlineData("lost to a listener")]
    [InlineData("released registration")]
    [InlineData("signed out")]
    [InlineData("died")]
    [InlineData("attempts")]
    public async Task Claim_NothingOfTheLeaseIsLeft_IsGivenBack(string how)
    {
        await using Scene scene = new(configure: options => options.BindAttempts = 1);
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();
        switch (how)
        {
            case "released lease":
                lease.TryRelease(out _).Should().BeTrue();
                break;
            case "expired lease":
                scene.Clock.Advance(TimeSpan.FromSeconds(62));
                break;
            case "lost to a listener":
                scene.Here.Register("winner", lease.Port);
                break;
            case "released registration":
                scene.Here.Register("b1", lease.Port, lease.Epoch);
                lease.TryRelease(out _).Should().BeTrue();
                break;
            case "signed out":
                scene.Here.Register("b1", lease.Port, lease.Epoch);
                scene.Here.TryRelease("b1", out _).Should().BeTrue();
                break;
            case "died":
                Child worker = scene.StartChild();
                scene.SessionOf(worker).Register("b1", lease.Port, lease.Epoch);
                worker.Kill();
                scene.Clock.Advance(TimeSpan.FromSeconds(2));
                break;
            case "attempts":
                await lease.ReportBindFailureAsync().RefusalAsync();
                break;
        }

        await fleet.Of("b1").GivenBack.Within();
        lease.Ended.IsCancellationRequested.Should().Be(!how.Contains("regist", StringComparison.Ordinal) && how is not ("signed out" or "died"), "it was given back, not lost");
    }

    /// <summary>The claim is another host's to have from then on. A worker that comes back with its
    /// old epoch would be served here beside the one there.</summary>
    [Theory]
    [InlineData("lost")]
    [InlineData("lost on another port")]
    [InlineData("lost with another epoch on TCP")]
    [InlineData("lost before it registered")]
    [InlineData("moved, and lost before it registered")]
    [InlineData("moved, and timed out")]
    [InlineData("of the lease before the one that was lost")]
    [InlineData("lost with the fleet")]
    [InlineData("released registration")]
    [InlineData("signed out")]
    [InlineData("died")]
    public async Task Register_ClaimInTheFleetIsOver_IsRefusedAndToldNotToComeAgain(string how)
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        string? strategy = how == "lost with another epoch on TCP" ? PortRegistryOptions.ProcessBinds : null;
        PortLease lease = await scene.Registry.AcquireAsync(s_request with { Protocol = PortProtocol.TcpAndUdp, Strategy = strategy }).Within();
        long given = lease.Epoch, epoch = given;
        switch (how)
        {
            case "lost":
                scene.Here.Register("b1", lease.Port, epoch);
                fleet.Of("b1").Lose();
                break;
            case "lost on another port":
                scene.Here.Register("b1", lease.Port, epoch);
                epoch = scene.Here.Register("b1", lease.Port + 1, epoch).Epoch!.Value;
                epoch.Should().NotBe(lease.Epoch);
                fleet.Of("b1").Lose();
                break;
            case "lost with another epoch on TCP":
                scene.SeeAbove(given, 50_123);
                epoch = scene.Here.Register("b1", 50_123, given).Epoch!.Value;
                epoch.Should().NotBe(given);
                scene.Here.Register("b1", 50_123, given, PortProtocol.Udp).Epoch.Should().Be(given);
                fleet.Of("b1").Lose();
                break;
            case "lost before it registered":
                fleet.Of("b1").Lose();
                break;
            case "moved, and lost before it registered":
                await lease.ReportBindFailureAsync().AsTask().Within();
                lease.Epoch.Should().NotBe(given);
                fleet.Of("b1").Lose();
                break;
            case "moved, and timed out":
                await lease.ReportBindFailureAsync().AsTask().Within();
                scene.Clock.Advance(TimeSpan.FromSeconds(62));
                break;
            case "of the lease before the one that was lost":
                scene.Here.Register("b1", lease.Port, epoch);
                scene.Here.Register("b1", lease.Port, epoch, PortProtocol.Udp);
                lease.TryRelease(out _).Should().BeTrue();
                await fleet.Of("b1").GivenBack.Within();
                await scene.Registry.AcquireAsync(s_request with { Protocol = PortProtocol.TcpAndUdp }).Within();
                fleet.Of("b1").Lose();
                break;
            case "lost with the fleet":
                scene.Here.Register("b1", lease.Port, epoch);
                fleet.Dispose();
                break;
            case "released registration":
                scene.Here.Register("b1", lease.Port, epoch);
                lease.TryRelease(out _).Should().BeTrue();
                break;
            case "signed out":
                scene.Here.Register("b1", lease.Port, epoch);
                scene.Here.TryRelease("b1", out _).Should().BeTrue();
                scene.Here.TryRelease(new PortClaimRequest("b1") { Protocol = PortProtocol.Udp, Epoch = epoch }, out _);
                break;
            case "died":
                Child worker = scene.StartChild();
                scene.SessionOf(worker).Register("b1", lease.Port, epoch);
                scene.SessionOf(worker).Register("b1", lease.Port, epoch, PortProtocol.Udp);
                worker.Kill();
                scene.Clock.Advance(TimeSpan.FromSeconds(2));
                break;
        }

        await fleet.Of("b1").GivenBack.Within();

        foreach ((PortProtocol protocol, long own) in ((PortProtocol, long)[])[(PortProtocol.Tcp, epoch), (PortProtocol.Udp, given)])
        {
            PortRefusal refusal = scene.Here.RegisterRefused("b1", lease.Port, own, protocol).ShouldExplain(PortRefusalReason.Stale, "b1", own, "fleet", "Acquire again");
            refusal.HolderEpoch.Should().Be(own, "a worker takes a stale epoch that nobody holds for one of an earlier run, and registers without it");
        }

        scene.PortOf("b1").Should().Be(0);
        scene.PortOf("b1", PortProtocol.Udp).Should().Be(0);
        scene.Here.Register("b1", lease.Port);   // as one that nobody acquired for
        scene.Registry.AssertInvariants();
    }

    /// <summary>A worker whose port was taken by another owner's process, which took the lease with
    /// it.</summary>
    [Theory]
    [InlineData(PortProtocol.Tcp, PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp, PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp, PortProtocol.Udp)]
    public async Task ReportBindFailure_ClaimInTheFleetIsOver_IsRefusedAndGetsNoLease(PortProtocol protocol, PortProtocol taken)
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request with { Protocol = protocol }).Within();
        (int port, long epoch) = (lease.Port, lease.Epoch);
        scene.Here.Register("winner", port, protocol: taken);
        lease.TryRelease(out _);   // the other half, where there is one
        await fleet.Of("b1").GivenBack.Within();

        PortRefusal refusal = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", port) { Epoch = epoch, Protocol = protocol }).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.Stale, "b1", epoch, "fleet", "Acquire again").HolderEpoch.Should().Be(epoch);
        scene.Registry.TryGetEntry("b1", out PortEntry _).Should().BeFalse();
    }

    /// <summary>The worker was served under another epoch than that of its lease, and knows
    /// it.</summary>
    [Fact]
    public async Task ReportBindFailure_EpochOfARegistrationWhoseClaimIsOver_IsRefusedToo()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request with { Strategy = PortRegistryOptions.ProcessBinds }).Within();
        scene.SeeAbove(lease.Epoch, 50_123);
        Child worker = scene.StartChild();
        long epoch = scene.SessionOf(worker).Register("b1", 50_123, lease.Epoch).Epoch!.Value;
        worker.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await fleet.Of("b1").GivenBack.Within();
        scene.Here.Register("winner", 50_123);

        PortRefusal refusal = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", 50_123) { Epoch = epoch }).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.Stale, "b1", epoch, "fleet", "Acquire again").HolderEpoch.Should().Be(epoch);
    }

    [Fact]
    public async Task Claim_LeaseHealedOrGoesOnOverAnotherSession_IsKept()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();

        await lease.ReportBindFailureAsync().AsTask().Within();
        fleet.Of("b1").IsGivenBack.Should().BeFalse();
        PortSession first = scene.Registry.OpenSession(Environment.ProcessId);
        first.Register("b1", lease.Port, lease.Epoch);
        await first.DisposeAsync();
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        scene.Clock.Advance(TimeSpan.FromSeconds(20));

        scene.PortOf("b1").Should().Be(lease.Port);
        fleet.Of("b1").IsGivenBack.Should().BeFalse();
        scene.Here.TryRelease("b1", out _).Should().BeTrue();
        await fleet.Of("b1").GivenBack.Within();
    }

    /// <summary>Its process is known by the epoch of its lease, and the port it had first gave it a
    /// higher one.</summary>
    [Fact]
    public async Task Claim_RegistrationOfAHigherEpochGoesOnOnAnotherPort_IsKeptAndEndsWithIt()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request with { Strategy = PortRegistryOptions.ProcessBinds }).Within();
        long given = lease.Epoch;
        scene.SeeAbove(given, 50_123);
        scene.Here.Register("b1", 50_123, given).Epoch.Should().NotBe(given);

        scene.Here.Register("b1", 50_124, given);

        fleet.Of("b1").IsGivenBack.Should().BeFalse("it is served still");
        scene.PortOf("b1").Should().Be(50_124);
        fleet.Of("b1").Lose();
        scene.PortOf("b1").Should().Be(0);
        await fleet.Of("b1").GivenBack.Within();
    }

    [Fact]
    public async Task Claim_BothProtocols_IsGivenBackWithTheLastOfThem()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request with { Protocol = PortProtocol.TcpAndUdp }).Within();
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        scene.Here.Register("b1", lease.Port, lease.Epoch, PortProtocol.Udp);

        scene.Here.TryRelease("b1", out _).Should().BeTrue();
        fleet.Of("b1").IsGivenBack.Should().BeFalse();
        scene.PortOf("b1", PortProtocol.Udp).Should().Be(lease.Port);
        scene.Here.TryRelease(new PortClaimRequest("b1") { Protocol = PortProtocol.Udp }, out _).Should().BeTrue();

        await fleet.Of("b1").GivenBack.Within();
    }

    /// <summary>The process has just woken: nothing of the fleet's part has run yet, only its clock
    /// says so.</summary>
    [Theory]
    [InlineData("owner")]
    [InlineData("entry of the owner")]
    [InlineData("port")]
    [InlineData("owners of the port")]
    [InlineData("snapshot")]
    public async Task Lookup_ClaimLostByTheClockAlone_NeverAnswersIt(string by)
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();
        Child worker = scene.StartChild();
        scene.SessionOf(worker).Register("b1", lease.Port, lease.Epoch);
        TaskCompletionSource told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration _ = lease.Ended.Register(told.SetResult);

        fleet.Of("b1").IsOver = true;

        switch (by)
        {
            case "owner":
                scene.PortOf("b1").Should().Be(0);
                break;
            case "entry of the owner":
                scene.Registry.TryGetEntry("b1", out PortEntry _).Should().BeFalse();
                break;
            case "port":
                scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
                break;
            case "owners of the port":
                scene.OwnersOn(lease.Port).Should().BeEmpty();
                break;
            case "snapshot":
                scene.Registry.Snapshot().Entries.Should().ContainSingle().Which.State.Should().Be(PortState.Cooling);
                break;
        }

        await told.Task.Within();
        await fleet.Of("b1").GivenBack.Within();
        lease.Invoking(one => one.PrepareStart(new ProcessStartInfo("worker"))).Should().Throw<PortRefusedException>().Which.Refusal.ShouldExplain(PortRefusalReason.LeaseEnded, "b1", lease.FleetEpoch!);
    }

    /// <summary>As above, for whoever uses the lease.</summary>
    [Theory]
    [InlineData("registers", PortRefusalReason.Stale)]
    [InlineData("registers again", PortRefusalReason.Stale)]
    [InlineData("reports over a session", PortRefusalReason.Stale)]
    [InlineData("reports by the lease", PortRefusalReason.LeaseEnded)]
    [InlineData("extends", PortRefusalReason.LeaseEnded)]
    [InlineData("extends over a session", PortRefusalReason.LeaseEnded)]
    public async Task Lease_ClaimLostByTheClockAlone_IsOverForWhoeverUsesIt(string how, PortRefusalReason reason)
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();
        PortClaimRequest its = new("b1", lease.Port) { Epoch = lease.Epoch };
        if (how == "registers again")
        {
            scene.Here.Register("b1", lease.Port, lease.Epoch);
        }

        fleet.Of("b1").IsOver = true;

        PortRefusal refusal = how switch
        {
            "registers" or "registers again" => scene.Here.RegisterRefused("b1", lease.Port, lease.Epoch),
            "reports over a session" => await scene.Here.ReportBindFailureAsync(its).RefusalAsync(),
            "reports by the lease" => await lease.ReportBindFailureAsync().RefusalAsync(),
            "extends" => await lease.ExtendAsync(TimeSpan.FromMinutes(5)).RefusalAsync(),
            _ => await scene.Here.ExtendAsync(its, TimeSpan.FromMinutes(5)).RefusalAsync(),
        };

        refusal.Reason.Should().Be(reason);
        refusal.HolderEpoch.Should().Be(reason == PortRefusalReason.Stale ? lease.Epoch : null);
        await fleet.Of("b1").GivenBack.Within();
        if (how != "registers again")
        {
            (await lease.WhenBound.RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1", "fleet");
        }

        scene.Registry.Snapshot().Entries.Should().NotContain(entry => entry.State != PortState.Cooling);
        scene.Registry.AssertInvariants();
    }

    /// <summary>A supervisor that acquires again before anybody else has asked.</summary>
    [Theory]
    [InlineData(PortScope.Fleet, false)]
    [InlineData(PortScope.Fleet, true)]
    [InlineData(PortScope.Host, false)]
    public async Task Acquire_ClaimLostByTheClockAlone_IsNotInItsOwnWay(PortScope scope, bool isRegistered)
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease first = await scene.Registry.AcquireAsync(s_request).Within();
        Held held = fleet.Of("b1");
        if (isRegistered)
        {
            scene.Here.Register("b1", first.Port, first.Epoch);
        }

        held.IsOver = true;

        PortLease second = await scene.Registry.AcquireAsync(s_request with { Scope = scope }).Within();

        (second.FleetEpoch > first.FleetEpoch).Should().Be(scope == PortScope.Fleet);
        first.IsOpen.Should().BeFalse();
        await held.GivenBack.Within();
        fleet.Of("b1").IsGivenBack.Should().Be(scope == PortScope.Host);
        scene.Registry.AssertInvariants();
    }

    /// <summary>The machine was suspended before a lease was granted, and whoever waited has asked
    /// again meanwhile.</summary>
    [Fact]
    public async Task Acquire_ClaimLostAndClaimedAnewBeforeItIsGranted_EndsTheLease()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        FleetBonds bonds = scene.Registry.Parts.Fleet!;
        FleetBond first = await bonds.ClaimAsync("b1");
        fleet.Of("b1").Lose();
        FleetBond second = await bonds.ClaimAsync("b1");
        PortLease lease = scene.Acquire("b1");

        bonds.Bind(first, lease);

        lease.IsOpen.Should().BeFalse();
        scene.Here.RegisterRefused("b1", lease.Port, lease.Epoch).HolderEpoch.Should().Be(lease.Epoch);
        second.IsHeld.Should().BeTrue();
    }

    /// <summary>The second protocol of a lease may have moved before the first, by whose epoch the lease
    /// goes until then.</summary>
    [Fact]
    public async Task Moved_OwnerIsLost_EndsWhatItMovedToAndClosesItsEpoch()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within(), moved = scene.Acquire("moved");
        for (int i = 0; moved.Epoch < lease.Epoch; i++)
        {
            moved = scene.Acquire($"moved{i}");   // another processor may be behind; what a lease moves to has a higher epoch
        }

        RegistryParts parts = scene.Registry.Parts;
        fleet.Of("b1").IsOver = true;

        parts.Fleet!.Moved(lease, moved.Claim);

        moved.IsOpen.Should().BeFalse();
        parts.Fence.IsClosed(parts.Table.Key(PortProtocol.Udp, "b1"), moved.Epoch).Should().BeTrue();
    }

    [Fact]
    public async Task Lost_OpenLease_EndsAndSaysWhy()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request with { Protocol = PortProtocol.TcpAndUdp }).Within();

        fleet.Of("b1").Lose();

        (await lease.WhenBound.RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1", "fleet", lease.FleetEpoch!, "acquire again");
        lease.Ended.IsCancellationRequested.Should().BeTrue();
        scene.Here.RegisterRefused("b1", lease.Port, lease.Epoch).Reason.Should().Be(PortRefusalReason.Stale);
        scene.StateOf(lease.Port, PortProtocol.Udp).Should().Be(PortState.Cooling);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task Lost_Registered_IsToldToThoseWhoWatch()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        await using IAsyncEnumerator<PortUpdate> watch = scene.Registry.WatchAsync().GetAsyncEnumerator();
        await watch.MoveNextAsync().AsTask().Within();

        fleet.Of("b1").Lose();

        await watch.MoveNextAsync().AsTask().Within();
        watch.Current.Changes.Should().ContainSingle().Which.Should().BeEquivalentTo(new { Kind = PortChangeKind.Released, Entry = new { Owner = "b1", State = PortState.Cooling } });
        scene.PortOf("b1").Should().Be(0);
    }

    /// <summary>A registration whose fact is on its way to the disk when the owner is
    /// lost.</summary>
    [Fact]
    public async Task Lost_RegistrationWaitsForTheDisk_IsNeverServed()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();
        scene.Store.Hold();
        Task<PortEntry> registering = scene.Here.RegisterAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).AsTask();
        await scene.Store.ArrivedAsync().Within();

        fleet.Of("b1").Lose();
        await lease.WhenBound.RefusalAsync();
        scene.Store.Release();
        await registering.ContinueWith(_ => { }, TaskScheduler.Default).Within();

        scene.PortOf("b1").Should().Be(0);
        await fleet.Of("b1").GivenBack.Within();
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task AcquireAll_OneIsAnothers_GivesBackWhatWasClaimed()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        fleet.HolderOf["b3"] = "node7";
        PortRequest[] requests = [s_request, "b2", s_request with { Owner = "b3" }];

        PortRefusal refusal = await scene.Registry.AcquireAllAsync(requests).RefusalAsync();

        refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.Conflict, Request = 2, Holder = "node7" });
        await fleet.Of("b1").GivenBack.Within();
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
        fleet.HolderOf.Clear();
        IReadOnlyList<PortLease> leases = await scene.Registry.AcquireAllAsync(requests, contiguous: true).AsTask().Within();
        leases.Select(lease => lease.FleetEpoch.HasValue).Should().Equal(true, false, true);
    }

    [Fact]
    public async Task UseFleet_Twice_IsRefusedAndPartingEndsWhatWasHeld()
    {
        await using Scene scene = new();
        Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();
        PortLease plain = scene.Acquire("plain");
        Action again = () => _ = new Fleet(scene.Registry);
        again.Should().Throw<InvalidOperationException>().WithMessage("*Publish*");

        fleet.Dispose();

        await lease.WhenBound.RefusalAsync();
        plain.WhenBound.IsCompleted.Should().BeFalse();
        scene.AcquireRefused(s_request).Reason.Should().Be(PortRefusalReason.NoFleet);
        using Fleet next = new(scene.Registry);
        (await scene.Registry.AcquireAsync(s_request).Within()).FleetEpoch.Should().NotBeNull();
    }

    [Fact]
    public async Task Lookup_OwnerHeldInTheFleet_AllocatesNothing()
    {
        await using Scene scene = new();
        using Fleet fleet = new(scene.Registry);
        PortLease lease = await scene.Registry.AcquireAsync(s_request).Within();
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        scene.PortOf("b1").Should().Be(lease.Port);

        LookAround();
        long before = GC.GetAllocatedBytesForCurrentThread();
        LookAround();
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        void LookAround()
        {
            for (int i = 0; i < 1_000; i++)
            {
                scene.Registry.TryGetPort("b1", out int _);
                scene.Registry.TryGetEntry("b1", out PortEntry _);
                scene.Registry.TryGetEntry(lease.Port, out PortEntry _);
            }
        }
    }

    /// <summary>Claims come and go, and are lost, while others look: what is answered is held at
    /// some moment of the look.</summary>
    [Fact]
    public async Task Lost_WhileOthersLook_IsNeverAnsweredAfterItWasOver()
    {
        await using Scene scene = new(configure: options => options.ReuseDelay = TimeSpan.Zero);
        using Fleet fleet = new(scene.Registry);
        using CancellationTokenSource end = new();
        Task<int> looking = Task.Run(() =>
        {
            int wrong = 0;
            while (!end.IsCancellationRequested)
            {
                Held? held = fleet.Last;
                bool wasOver = held is { IsOver: true };
                bool found = scene.Registry.TryGetEntry("b1", out PortEntry entry) && entry.State == PortState.Bound;
                wrong += wasOver && found && ReferenceEquals(held, fleet.Last) ? 1 : 0;
            }

            return wrong;
        });
        for (int round = 0; round < 300; round++)
        {
            PortLease lease = await scene.Registry.AcquireAsync(s_request).AsTask().Within();
            scene.Here.Register("b1", lease.Port, lease.Epoch);
            Held held = fleet.Of("b1");
            if (round % 2 == 0)
            {
                held.IsOver = true;
                scene.PortOf("b1").Should().Be(0);
            }
            else
            {
                held.Lose();
            }

            await held.GivenBack.Within();
        }

        await end.CancelAsync();
        (await looking.Within()).Should().Be(0);
        scene.Registry.AssertInvariants();
    }

    /// <summary>A fleet that a test holds in its hand.</summary>
    private sealed class Fleet : IDisposable
    {
        private readonly IDisposable _joined;
        private readonly ConcurrentDictionary<string, Held> _held = new();
        private long _epoch = 1_000;

        public Fleet(PortRegistry registry) => _joined = registry.UseFleet(ClaimAsync);

        /// <summary>Which host has an owner.</summary>
        public ConcurrentDictionary<string, string> HolderOf { get; } = new();

        public ConcurrentQueue<string> Asked { get; } = new();

        /// <summary>The claim that was made last.</summary>
        public Held? Last { get; private set; }

        public Held Of(string owner) => _held[owner];

        public void Dispose() => _joined.Dispose();

        private async Task<(long, Func<bool>, CancellationToken, IAsyncDisposable)> ClaimAsync(string owner)
        {
            await Task.Yield();
            Asked.Enqueue(owner);
            if (HolderOf.TryGetValue(owner, out string? holder))
            {
                throw new PortRefusedException(new PortRefusal(PortRefusalReason.Conflict, $"Host '{holder}' holds '{owner}'.") { Owner = owner, Holder = holder });
            }

            Held held = new(Interlocked.Increment(ref _epoch));
            (_held[owner], Last) = (held, held);
            return (held.Epoch, () => !held.IsOver, held.Lost.Token, held);
        }
    }

    private sealed class Held(long epoch) : IAsyncDisposable
    {
        private readonly TaskCompletionSource _givenBack = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _isOver;

        public long Epoch => epoch;

        public CancellationTokenSource Lost { get; } = new();

        public bool IsOver { get => _isOver; set => _isOver = value; }

        public Task GivenBack => _givenBack.Task;

        public bool IsGivenBack => _givenBack.Task.IsCompleted;

        public void Lose()
        {
            IsOver = true;
            Lost.Cancel();
        }

        public ValueTask DisposeAsync()
        {
            _givenBack.TrySetResult();
            IsOver = true;
            Lost.Cancel();   // as one that is released is lost
            return ValueTask.CompletedTask;
        }
    }
}
