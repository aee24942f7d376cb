using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Portmap.Testing.Tests;

/// <summary>A registry on a machine that is made up does what it does on a real one.</summary>
public sealed class PortTestWorldTests
{
    private static readonly Action<PortRegistryOptions> s_pick = options =>
        (options.Ports, options.Strategy, options.Order) = ("20000-20009", PortRegistryOptions.AllocatorPicks, PortOrder.LowestFree);

    [Fact]
    public async Task Acquire_StrangerHasThePort_GivesTheNextAndSaysWhoHasIt()
    {
        await using PortTestWorld world = new(s_pick);
        FakeProcess listens = world.Occupy(20_000);
        world.StartProcess().Bind(20_001);

        PortLease lease = await world.Registry.AcquireAsync("web");
        PortRefusal refusal = await RefusalAsync(world.Registry.AcquireAsync(new PortRequest("insists") { Previous = 20_000, Reuse = PortReuse.Require }).AsTask());

        (lease.Port, lease.Guarantee).Should().Be((20_002, PortGuarantee.ProbedOnly));
        world.StateOf(20_000).Should().Be(PortState.Foreign);
        world.StateOf(20_001).Should().Be(PortState.Foreign, "bound and silent is in use too");
        (refusal.Reason, refusal.HolderProcessId).Should().Be((PortRefusalReason.Foreign, listens.Id));
    }

    [Fact]
    public async Task Acquire_PortOfARealProcess_IsGiven()
    {
        using Socket real = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        real.Bind(new IPEndPoint(IPAddress.Any, 0));
        real.Listen();
        int port = ((IPEndPoint)real.LocalEndPoint!).Port;
        await using PortTestWorld world = new(options => (options.Ports, options.Strategy) = ($"{port}", PortRegistryOptions.AllocatorPicks));

        (await world.Registry.AcquireAsync("web")).Port.Should().Be(port, "the operating system is not asked");
    }

    [Fact]
    public async Task Acquire_StrangerHasGone_IsGivenAfterForeignRecheck()
    {
        await using PortTestWorld world = new(options =>
        {
            s_pick(options);
            options.Ports = "20000";
        });
        FakeProcess stranger = world.Occupy(20_000);
        (await RefusalAsync(world.Registry.AcquireAsync("web").AsTask())).Reason.Should().Be(PortRefusalReason.Exhausted);
        stranger.Kill();

        world.Clock.Advance(TimeSpan.FromMinutes(1));

        (await world.Registry.AcquireAsync("web")).Port.Should().Be(20_000);
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task Worker_FromStartToSignOut_IsServedMeanwhile(PortProtocol protocol)
    {
        await using PortTestWorld world = new(s_pick);
        PortLease lease = await world.Registry.AcquireAsync(new PortRequest("web") { Protocol = protocol });
        FakeWorker worker = world.StartWorker(Prepared(lease));

        PortEntry entry = await worker.SignInAsync();

        (entry.Port, entry.State, entry.ProcessId, entry.Epoch).Should().Be((20_000, PortState.Bound, worker.Process.Id, worker.Epoch));
        (await lease.WhenBound.Within()).Port.Should().Be(worker.Port);
        PortProtocol[] halves = protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];
        halves.Should().OnlyContain(half => world.PortOf("web", half) == 20_000 && world.Machine.HolderOf(20_000, half) == worker.Process);

        await worker.SignOutAsync();

        halves.Should().OnlyContain(half => world.PortOf("web", half) == null && world.StateOf(20_000, half) == PortState.Cooling);
        (worker.Port, worker.Process.Ports.Count, worker.Process.IsAlive).Should().Be((0, 0, true));
    }

    [Fact]
    public async Task Worker_ProcessBinds_BringsAPortThatNobodyHas()
    {
        await using PortTestWorld world = new(options => (options.Ports, options.Exclude) = ("20000-20009", "20001"));
        world.Occupy(20_000);
        FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));

        (await worker.SignInAsync()).Port.Should().Be(20_002);
        world.PortOf("web").Should().Be(20_002);
    }

    /// <summary>As many as one list of ranges may not have, and one that stands there twice.</summary>
    [Fact]
    public async Task Worker_ManyPortsAreKeptForOthers_BringsOneOfTheRest()
    {
        await using PortTestWorld world = new(options =>
        {
            (options.Ports, options.Exclude) = ("20000-20999", "20001,20000-20001");
            for (int i = 0; i < 300; i++)
            {
                options.KeptPorts.Add($"kept/{i}", 20_002 + (2 * i));
            }
        });

        FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));

        (await worker.SignInAsync()).Port.Should().Be(20_003);
    }

    [Fact]
    public async Task Worker_ProcessBindsAndNothingIsFree_IsExhausted()
    {
        await using PortTestWorld world = new(options => options.Ports = "20000-20001");
        world.Occupy(20_000);
        world.Occupy(20_001);
        FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));

        (await RefusalAsync(worker.SignInAsync())).Reason.Should().Be(PortRefusalReason.Exhausted);
    }

    [Fact]
    public async Task Worker_PortIsTakenAndNoOtherIsLeft_IsNotSignedIn()
    {
        await using PortTestWorld world = new(options => (options.Ports, options.Strategy) = ("20000", PortRegistryOptions.AllocatorPicks));
        FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));
        world.Occupy(20_000);

        (await RefusalAsync(worker.SignInAsync())).Reason.Should().Be(PortRefusalReason.Exhausted);

        await FluentActions.Awaiting(worker.SignOutAsync).Should().ThrowAsync<InvalidOperationException>("its connection has ended").WithMessage("*is not signed in*");
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task Worker_LeaseRanOutAndNobodyIsNewer_SignsInAllTheSame(PortProtocol protocol)
    {
        await using PortTestWorld world = new(s_pick);
        FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync(new PortRequest("web") { Protocol = protocol })));
        world.Clock.Advance(TimeSpan.FromMinutes(2));

        PortEntry entry = await worker.SignInAsync();

        (entry.Port, entry.State, entry.Epoch).Should().Be((worker.Port, PortState.Bound, worker.Epoch));
    }

    [Fact]
    public async Task Worker_LeaseRanOutAndAnotherIsNewer_IsStale()
    {
        await using PortTestWorld world = new(s_pick);
        FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));
        world.Clock.Advance(TimeSpan.FromMinutes(2));
        await world.StartWorker(Prepared(await world.Registry.AcquireAsync("web"))).SignInAsync();

        (await RefusalAsync(worker.SignInAsync())).Reason.Should().Be(PortRefusalReason.Stale);
    }

    [Fact]
    public async Task Worker_StrangerComesBetween_HealsOnAnotherPort()
    {
        await using PortTestWorld world = new(s_pick);
        PortLease lease = await world.Registry.AcquireAsync("web");
        FakeWorker worker = world.StartWorker(Prepared(lease));
        world.Occupy(lease.Port);

        PortEntry entry = await worker.SignInAsync();

        entry.Port.Should().Be(20_001);
        world.StateOf(20_000).Should().Be(PortState.Foreign);
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task Worker_OfBothProtocolsAndAStrangerComesBetween_HealsOnAnotherPort(PortProtocol taken)
    {
        await using PortTestWorld world = new(s_pick);
        PortLease lease = await world.Registry.AcquireAsync(new PortRequest("dns") { Protocol = PortProtocol.TcpAndUdp });
        FakeWorker worker = world.StartWorker(Prepared(lease));
        world.Occupy(lease.Port, taken);

        PortEntry entry = await worker.SignInAsync();

        entry.Port.Should().Be(20_001);
        world.StateOf(20_000, taken).Should().Be(PortState.Foreign, "it was reported with both protocols");
        world.Registry.TryGetPort("dns", out int udp, PortProtocol.Udp).Should().BeTrue();
        udp.Should().Be(20_001);
        (await lease.WhenBound).Port.Should().Be(20_001);
    }

    [Fact]
    public async Task Worker_EveryPortIsTakenMeanwhile_IsToldWhich()
    {
        await using PortTestWorld world = new(options =>
        {
            s_pick(options);
            options.BindAttempts = 2;
        });
        PortLease lease = await world.Registry.AcquireAsync("web");
        FakeWorker worker = world.StartWorker(Prepared(lease));
        world.Registry.TryGetEntry("web", out _).Should().BeTrue();
        world.Occupy(20_000);
        await using PortSession here = world.StartProcess().Connect(world.Registry);
        PortLease second = await here.ReportBindFailureAsync(new PortClaimRequest("web", 20_000) { Epoch = lease.Epoch });
        world.Occupy(second.Port);

        PortRefusal refusal = await RefusalAsync(here.ReportBindFailureAsync(new PortClaimRequest("web", second.Port) { Epoch = second.Epoch }).AsTask());

        refusal.Reason.Should().Be(PortRefusalReason.AttemptsExhausted);
        worker.Port.Should().Be(0);
    }

    [Fact]
    public async Task Worker_SeveralPortsOfOneProcess_AreFoundByName()
    {
        await using PortTestWorld world = new(s_pick);
        ProcessStartInfo program = new("web");
        (await world.Registry.AcquireAsync("web")).PrepareStart(program, name: "http");
        (await world.Registry.AcquireAsync("web/admin")).PrepareStart(program, name: "admin");

        FakeWorker http = world.StartWorker(program, "http");
        FakeWorker admin = world.StartWorker(program, "admin", http.Process);
        await http.SignInAsync();
        await admin.SignInAsync();

        (http.Owner, admin.Owner).Should().Be(("web", "web/admin"));
        http.Process.Ports.Should().Equal((PortProtocol.Tcp, 20_000), (PortProtocol.Tcp, 20_001));
        http.Process.Kill();
        (world.PortOf("web"), world.PortOf("web/admin")).Should().Be((null, null));
    }

    [Fact]
    public async Task StartWorker_NotPrepared_SaysWhatToDo()
    {
        await using PortTestWorld world = new(s_pick);

        world.Invoking(it => it.StartWorker(new ProcessStartInfo("web"))).Should().Throw<InvalidOperationException>().WithMessage("*PORTMAP_OWNER*PrepareStart*");
    }

    [Fact]
    public async Task Kill_ConnectionBreaksWithIt_IsKnownAtOnce()
    {
        (PortTestWorld world, FakeWorker worker) = await ServedAsync(s_pick);
        await using (world)
        {
            worker.Process.Kill();

            world.PortOf("web").Should().BeNull();
            world.StateOf(20_000).Should().Be(PortState.Cooling);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Kill_ConnectionIsKept_IsKnownByTheNextPass(bool numberIsGivenAgain)
    {
        (PortTestWorld world, FakeWorker worker) = await ServedAsync(s_pick);
        await using (world)
        {
            worker.Process.Kill(keepConnections: true);
            if (numberIsGivenAgain)
            {
                world.StartProcess(processId: worker.Process.Id);
            }

            world.PortOf("web").Should().Be(20_000, "nobody has looked yet");
            world.Clock.Advance(TimeSpan.FromSeconds(1));
            world.PortOf("web").Should().BeNull();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Kill_WorkerThatSignsInAfterwards_IsTold(bool numberIsGivenAgain)
    {
        (PortTestWorld world, FakeWorker worker) = await ServedAsync(s_pick);
        await using (world)
        {
            worker.Process.Kill();
            if (numberIsGivenAgain)
            {
                world.StartProcess(processId: worker.Process.Id);
            }

            await FluentActions.Awaiting(() => worker.SignInAsync().Within()).Should().ThrowAsync<InvalidOperationException>().WithMessage($"*{worker.Process.Id}*died*");

            world.PortOf("web").Should().BeNull();
        }
    }

    /// <summary>It has registered nothing, so no pass over the owners meets it.</summary>
    [Theory]
    [InlineData("connected")]
    [InlineData("acquired")]
    [InlineData("signed out")]
    public async Task Kill_OfOneThatHasNothingRegistered_EndsItsSessionByTheNextPass(string did)
    {
        await using PortTestWorld world = new(s_pick);
        FakeProcess process = world.StartProcess();
        PortSession session = process.Connect(world.Registry);
        if (did == "acquired")
        {
            await session.AcquireAsync("web");
        }
        else if (did == "signed out")
        {
            process.Listen(20_005);
            await session.RegisterAsync(new PortClaimRequest("web", 20_005));
            await session.ReleaseAsync("web");
        }

        process.Kill(keepConnections: true);

        session.Ended.IsCompleted.Should().BeFalse("nobody has looked yet");
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        await session.Ended.Within();
    }

    [Fact]
    public async Task Disconnect_ProcessLives_IsServedForTheGraceAndMayComeBack()
    {
        (PortTestWorld world, FakeWorker worker) = await ServedAsync(s_pick);
        await using (world)
        {
            worker.Disconnect();
            world.Clock.Advance(TimeSpan.FromSeconds(9));
            world.PortOf("web").Should().Be(20_000);
            await worker.SignInAsync();
            world.Clock.Advance(TimeSpan.FromSeconds(9));
            world.PortOf("web").Should().Be(20_000);

            worker.Disconnect();
            world.Clock.Advance(TimeSpan.FromSeconds(11));
            world.PortOf("web").Should().BeNull();
        }
    }

    [Fact]
    public async Task Close_ListensNoMore_EndsAfterThreeSightings()
    {
        (PortTestWorld world, FakeWorker worker) = await ServedAsync(s_pick);
        await using (world)
        {
            worker.Process.Close(worker.Port);
            world.Clock.Advance(TimeSpan.FromSeconds(20));
            world.PortOf("web").Should().Be(20_000);
            world.Clock.Advance(TimeSpan.FromSeconds(11));
            world.PortOf("web").Should().BeNull();
            worker.Process.IsAlive.Should().BeTrue();
        }
    }

    [Fact]
    public async Task Lease_NobodySignsIn_TimesOutIntoCoolingOrForeign()
    {
        await using PortTestWorld world = new(s_pick);
        PortLease silent = await world.Registry.AcquireAsync("silent"), taken = await world.Registry.AcquireAsync("taken");
        world.Occupy(taken.Port);

        world.Clock.Advance(TimeSpan.FromSeconds(61));

        (await RefusalAsync(silent.WhenBound)).Reason.Should().Be(PortRefusalReason.LeaseEnded);
        (world.StateOf(silent.Port), world.StateOf(taken.Port)).Should().Be((PortState.Cooling, PortState.Foreign));
    }

    [Fact]
    public async Task Register_TakesTheLeaseOfAnother_NeedsAListener()
    {
        await using PortTestWorld world = new(s_pick);
        PortLease lease = await world.Registry.AcquireAsync("web");
        FakeProcess process = world.StartProcess();
        PortSession session = process.Connect(world.Registry);

        (await RefusalAsync(session.RegisterAsync(new PortClaimRequest("other", lease.Port)).AsTask())).Reason.Should().Be(PortRefusalReason.NotListening);
        process.Listen(lease.Port);
        await session.RegisterAsync(new PortClaimRequest("other", lease.Port));

        world.PortOf("other").Should().Be(lease.Port);
        (await RefusalAsync(lease.WhenBound)).Reason.Should().Be(PortRefusalReason.Taken);
    }

    [Fact]
    public async Task Register_BoundAndSilent_IsNoListener()
    {
        await using PortTestWorld world = new(s_pick);
        PortLease lease = await world.Registry.AcquireAsync("web");
        FakeProcess process = world.StartProcess();
        process.Bind(lease.Port);

        PortRefusal refusal = await RefusalAsync(process.Connect(world.Registry).RegisterAsync(new PortClaimRequest("other", lease.Port)).AsTask());

        refusal.Reason.Should().Be(PortRefusalReason.NotListening);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Register_VerifyListening_AsksTheMachine(bool verifyProcess)
    {
        await using PortTestWorld world = new(options =>
        {
            s_pick(options);
            (options.VerifyListening, options.VerifyProcess) = (true, verifyProcess);
        });
        FakeProcess process = world.StartProcess();
        PortSession session = process.Connect(world.Registry);

        (await RefusalAsync(session.RegisterAsync(new PortClaimRequest("web", 20_005)).AsTask().Within())).Reason.Should().Be(PortRefusalReason.NotListening);
        FakeProcess other = world.Occupy(20_005);
        if (verifyProcess)
        {
            (await RefusalAsync(session.RegisterAsync(new PortClaimRequest("web", 20_005)).AsTask().Within())).Reason.Should().Be(PortRefusalReason.NotListening);
        }

        other.Kill();
        process.Listen(20_005);
        (await session.RegisterAsync(new PortClaimRequest("web", 20_005)).AsTask().Within()).State.Should().Be(PortState.Bound);
    }

    [Fact]
    public async Task Release_ByAnotherUsersProcess_IsRefused()
    {
        (PortTestWorld world, FakeWorker worker) = await ServedAsync(s_pick);
        await using (world)
        {
            PortSession other = world.StartProcess(userId: 4_321).Connect(world.Registry);

            (await RefusalAsync(other.ReleaseAsync("web").AsTask())).Reason.Should().Be(PortRefusalReason.NotOwner);

            world.PortOf("web").Should().Be(worker.Port);
        }
    }

    [Theory]
    [InlineData(4_001, true)]
    [InlineData(4_002, false)]
    public async Task Worker_OfALeaseForAUser_SignsInAsThatUserOnly(int userId, bool may)
    {
        await using PortTestWorld world = new(s_pick);
        PortLease lease = await world.Registry.AcquireAsync(new PortRequest("web") { UserId = 4_001 });
        FakeWorker worker = world.StartWorker(Prepared(lease), process: world.StartProcess((uint)userId));

        if (may)
        {
            (await worker.SignInAsync()).Port.Should().Be(lease.Port);
            return;
        }

        (await RefusalAsync(worker.SignInAsync())).Reason.Should().Be(PortRefusalReason.NotOwner);
        await FluentActions.Awaiting(() => worker.SignOutAsync().Within()).Should().ThrowAsync<InvalidOperationException>("one that was refused is not connected");
    }

    [Fact]
    public async Task Connect_OfADeadProcess_RegistersNothing()
    {
        await using PortTestWorld world = new(s_pick);
        FakeProcess process = world.StartProcess();
        process.Kill();

        PortSession session = process.Connect(world.Registry);

        session.Ended.IsCompleted.Should().BeTrue("it was gone before it could be looked at");
        (await RefusalAsync(session.RegisterAsync(new PortClaimRequest("web", 20_000)).AsTask())).Reason.Should().Be(PortRefusalReason.ProcessDead);
    }

    [Fact]
    public async Task Restart_WithAStore_WorkersSignInAgain()
    {
        PortTestWorld world = await PortTestWorld.OpenAsync(s_pick);
        await using (world)
        {
            FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));
            FakeWorker dies = world.StartWorker(Prepared(await world.Registry.AcquireAsync("dies")));
            await worker.SignInAsync();
            await dies.SignInAsync();
            PortLease open = await world.Registry.AcquireAsync("open");

            await world.RestartAsync(TimeSpan.FromSeconds(5));
            world.PortOf("web").Should().BeNull("it has not signed in again");
            (world.StateOf(worker.Port), world.StateOf(dies.Port), world.StateOf(open.Port)).Should().Be((PortState.Recovered, PortState.Recovered, PortState.Reserved));
            PortEntry again = await worker.SignInAsync();
            dies.Process.Kill();
            world.Clock.Advance(TimeSpan.FromSeconds(11));
            await world.Registry.WhenSettled.Within();

            (again.Port, world.PortOf("web"), world.StateOf(dies.Port)).Should().Be((worker.Port, worker.Port, PortState.Cooling));
        }
    }

    [Fact]
    public async Task Restart_InMemory_KnowsNothingUntilWorkersComeBack()
    {
        (PortTestWorld world, FakeWorker worker) = await ServedAsync(s_pick);
        await using (world)
        {
            PortRegistry before = world.Registry;
            await world.RestartAsync();

            before.Invoking(registry => registry.TryAcquire("late", out _, out _)).Should().Throw<ObjectDisposedException>();
            world.StateOf(worker.Port).Should().Be(PortState.Free);
            (await world.Registry.AcquireAsync("next")).Port.Should().NotBe(worker.Port, "somebody listens there");
            PortEntry entry = await worker.SignInAsync();
            world.PortOf("web").Should().Be(worker.Port);
            worker.Epoch.Should().Be(entry.Epoch, "it is served under another one now");
        }
    }

    [Fact]
    public async Task Restart_ProcessDiesMeanwhile_HasEnded()
    {
        PortTestWorld world = await PortTestWorld.OpenAsync(s_pick);
        await using (world)
        {
            FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));
            await worker.SignInAsync();
            worker.Process.Kill(keepConnections: true);   // the daemon is killed before it looks
            world.StartProcess(processId: worker.Process.Id);

            await world.RestartAsync();

            world.Registry.TryGetEntry("web", out _).Should().BeFalse();
            world.StateOf(worker.Port).Should().Be(PortState.Cooling);
        }
    }

    [Fact]
    public async Task Reboot_WithAStore_EverythingHasEndedAndNothingCools()
    {
        PortTestWorld world = await PortTestWorld.OpenAsync(s_pick);
        await using (world)
        {
            FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));
            await worker.SignInAsync();

            await world.RebootAsync(TimeSpan.FromSeconds(30));

            worker.Process.IsAlive.Should().BeFalse();
            world.Registry.Snapshot().Entries.Should().BeEmpty();
            (await world.Registry.AcquireAsync("next")).Port.Should().Be(20_000);
        }
    }

    [Fact]
    public async Task Store_Fails_AcquisitionIsRefusedUntilItWorks()
    {
        PortTestWorld world = await PortTestWorld.OpenAsync(s_pick);
        await using (world)
        {
            world.Store!.Fail();
            (await RefusalAsync(world.Registry.AcquireAsync("web").AsTask().Within())).Reason.Should().Be(PortRefusalReason.StoreFailed);
            world.Store.Heal();
            (await world.Registry.AcquireAsync("web").AsTask().Within()).Port.Should().Be(20_000);
        }
    }

    [Fact]
    public async Task Diagnose_SaysThatTheHostIsSimulated()
    {
        await using PortTestWorld world = new(s_pick);

        world.Registry.Diagnose().Should().ContainSingle(finding => finding.Kind == PortFindingKind.GuardUnavailable).Which.Value.Should().Contain("SimulateHost");
    }

    [Fact]
    public async Task RegisterAsync_RealProcess_IsRefusedAndSaysWhy()
    {
        await using PortTestWorld world = new(s_pick);
        PortLease lease = await world.Registry.AcquireAsync("web");
        using Process self = Process.GetCurrentProcess();

        (await FluentActions.Awaiting(() => lease.RegisterAsync(self).Within()).Should().ThrowAsync<InvalidOperationException>()).WithMessage("*SimulateHost*");
    }

    [Fact]
    public void SimulateHost_WithoutAFunction_IsMisuse()
    {
        PortRegistryOptions options = new();

        options.Invoking(it => it.SimulateHost(null!, _ => null)).Should().Throw<ArgumentNullException>();
        options.Invoking(it => it.SimulateHost((_, _) => [], null!)).Should().Throw<ArgumentNullException>();
    }

    private static async Task<(PortTestWorld World, FakeWorker Worker)> ServedAsync(Action<PortRegistryOptions> configure)
    {
        PortTestWorld world = new(configure);
        FakeWorker worker = world.StartWorker(Prepared(await world.Registry.AcquireAsync("web")));
        await worker.SignInAsync();
        return (world, worker);
    }

    private static ProcessStartInfo Prepared(PortLease lease)
    {
        ProcessStartInfo program = new("web");
        lease.PrepareStart(program);
        return program;
    }

    private static async Task<PortRefusal> RefusalAsync(Task task) =>
        (await FluentActions.Awaiting(() => task.Within()).Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
}
