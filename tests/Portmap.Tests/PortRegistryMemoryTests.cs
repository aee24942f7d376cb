using Portmap.Tests.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>The registry remembers: an owner's last port is known, in the run and over restarts,
/// until it is given to another owner.</summary>
public class PortRegistryMemoryTests
{
    public static TheoryData<PortReuse, PortProtocol> Wanting { get; } = new()
    {
        { PortReuse.Prefer, PortProtocol.Tcp },
        { PortReuse.Prefer, PortProtocol.Udp },
        { PortReuse.Prefer, PortProtocol.TcpAndUdp },
        { PortReuse.Require, PortProtocol.Tcp },
        { PortReuse.Require, PortProtocol.Udp },
        { PortReuse.Require, PortProtocol.TcpAndUdp },
    };

    public static TheoryData<string> Endings { get; } = new() { "released", "expired", "died", "hung up", "moved" };

    [Theory]
    [MemberData(nameof(Wanting))]
    public async Task Wanting_NoPrevious_GivesTheLastPort(PortReuse reuse, PortProtocol protocol)
    {
        await using Scene scene = new();
        PortRequest request = new("b1") { Protocol = protocol, Reuse = reuse };
        scene.Acquire("first comer");
        int port = scene.Acquire(request).Port;
        scene.Clock.Advance(TimeSpan.FromSeconds(61));   // it runs out
        scene.Clock.Advance(TimeSpan.FromSeconds(180));   // and cools

        for (int i = 0; i < 5; i++)
        {
            PortLease lease = scene.Acquire(request);
            lease.Port.Should().Be(port);
            lease.TryRelease(out _).Should().BeTrue();
            scene.Acquire(new PortRequest("other") { Protocol = protocol }).TryRelease(out _).Should().BeTrue();
        }
    }

    [Fact]
    public async Task Prefer_APortThatCouldNotBeBoundCameSince_GivesTheOneBefore()
    {
        await using Scene scene = new(configure: options => options.BindAttempts = 1);
        scene.Here.Register("b1", 20_006);
        scene.Here.Release("b1");
        PortLease failed = scene.Acquire("b1");
        failed.Port.Should().NotBe(20_006);
        (await failed.ReportBindFailureAsync().AsTask().RefusalAsync()).Reason.Should().Be(PortRefusalReason.AttemptsExhausted);

        scene.Acquire(new PortRequest("b1") { Reuse = PortReuse.Prefer }).Port.Should().Be(20_006, "the other one was never of any use");
    }

    [Theory]
    [MemberData(nameof(Endings))]
    public async Task Prefer_HoweverTheLastClaimEnded_GivesItsPort(string ending)
    {
        await using Scene scene = new(configure: options => options.Reuse = PortReuse.Prefer);
        int port = 20_006;
        switch (ending)
        {
            case "released":
                scene.Here.Register("b1", port);
                scene.Here.Release("b1");
                break;
            case "expired":
                port = scene.Acquire("b1").Port;
                scene.Clock.Advance(TimeSpan.FromSeconds(61));
                break;
            case "died":
                Child child = scene.StartChild();
                scene.SessionOf(child).Register("b1", port);
                child.Kill();
                scene.Clock.Advance(TimeSpan.FromSeconds(2));
                break;
            case "hung up":
                PortSession session = scene.Registry.OpenSession(null);
                session.Register("b1", port);
                await session.DisposeAsync();
                scene.Clock.Advance(TimeSpan.FromSeconds(11));
                break;
            default:
                scene.Here.Register("b1", 20_001);
                scene.Here.Register("b1", port);
                scene.Here.Release("b1");
                break;
        }

        scene.Acquire("b1").Port.Should().Be(port);
    }

    [Theory]
    [InlineData(PortReuse.Prefer)]
    [InlineData(PortReuse.Require)]
    public async Task Wanting_LastPortWasGivenToAnother_GivesAnyOther(PortReuse reuse)
    {
        await using Scene scene = new();
        scene.Here.Register("b1", 20_004);
        scene.Here.Release("b1");
        PortLease taken = scene.Acquire(new PortRequest("other") { Previous = 20_004, Reuse = PortReuse.Require });
        taken.Port.Should().Be(20_004);
        PortRequest request = new("b1") { Reuse = reuse };

        PortLease lease = scene.Acquire(request);
        lease.Port.Should().NotBe(20_004);
        lease.TryRelease(out _).Should().BeTrue();
        taken.TryRelease(out _).Should().BeTrue();
        scene.Clock.Advance(TimeSpan.FromSeconds(61));
        scene.Acquire(request).Port.Should().Be(lease.Port, "that is the last one now");
        scene.Acquire(new PortRequest("other") { Reuse = PortReuse.Require }).Port.Should().Be(20_004);
    }

    [Fact]
    public async Task Prefer_AnotherOnlyLookedAtTheLastPort_GivesItAllTheSame()
    {
        PortRange range = PortBlock.Take(4);
        await using Scene scene = Scene.OnRealPorts(range, options => (options.Order, options.ReuseDelay, options.Reuse) = (PortOrder.LowestFree, TimeSpan.Zero, PortReuse.Prefer));
        scene.Acquire("b1").TryRelease(out _).Should().BeTrue();
        using (Stranger.OnUdp(range.First))
        {
            scene.Acquire(new PortRequest("both") { Protocol = PortProtocol.TcpAndUdp }).Port.Should().NotBe(range.First, "UDP is a stranger's there");
        }

        using (Stranger.Listening(range.First))
        {
            scene.Acquire("late").Port.Should().NotBe(range.First);
            scene.StateOf(range.First).Should().Be(PortState.Foreign);
        }

        scene.Clock.Advance(TimeSpan.FromSeconds(31));
        scene.Acquire("b1").Port.Should().Be(range.First, "it was given to nobody");
    }

    [Fact]
    public async Task Require_StrangerOnTheLastPort_IsForeign()
    {
        PortRange range = PortBlock.Take(4);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Reuse = PortReuse.Require);
        int port = scene.Acquire("b1").Port;
        scene.Clock.Advance(TimeSpan.FromSeconds(61));
        using Stranger stranger = Stranger.Listening(port);

        scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.Foreign, port);
    }

    [Theory]
    [InlineData("ProcessBinds", 8_080, "")]
    [InlineData("AllocatorPicks", 8_080, "")]
    [InlineData("ProcessBinds", 20_003, "20003")]
    [InlineData("AllocatorPicks", 20_003, "20003")]
    public async Task Wanting_LastPortIsNotHandedOut_IsLeftToTheStrategy(string strategy, int port, string exclude)
    {
        await using Scene scene = new(configure: options => (options.Strategy, options.Exclude) = (strategy, exclude));
        foreach (PortReuse reuse in (PortReuse[])[PortReuse.Prefer, PortReuse.Require])
        {
            scene.Here.Register("b1", port);
            scene.Here.Release("b1");

            PortLease lease = scene.Acquire(new PortRequest("b1") { Reuse = reuse });

            lease.Port.Should().Match(given => strategy == "ProcessBinds" ? given == 0 : given >= 20_000 && given != port);
            scene.Here.Register("b1", lease.Port == 0 ? port : lease.Port, lease.Epoch);
        }
    }

    [Fact]
    public async Task Prefer_PortTheProcessBrought_IsGivenByItsNumberNextTime()
    {
        await using Scene scene = new(configure: options => options.Strategy = PortRegistryOptions.ProcessBinds);
        PortLease first = scene.Acquire("b1");
        scene.Here.Register("b1", 20_007, first.Epoch);
        scene.Here.Release("b1");

        scene.Acquire(new PortRequest("b1") { Reuse = PortReuse.Prefer }).Port.Should().Be(20_007);
    }

    [Fact]
    public async Task Wanting_PreviousGiven_OverridesTheMemory()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", 20_004);
        scene.Here.Release("b1");

        scene.Acquire(new PortRequest("b1") { Previous = 20_008, Reuse = PortReuse.Require }).Port.Should().Be(20_008);
    }

    [Theory]
    [InlineData(PortOrder.NextFit, null)]
    [InlineData(PortOrder.Random, null)]
    [InlineData(PortOrder.LowestFree, null)]
    [InlineData(PortOrder.Random, "20004-20005")]
    [InlineData(PortOrder.LowestFree, "20004-20005")]
    public async Task Fresh_NoPrevious_GivesAnotherThanTheLast(PortOrder order, string? ports)
    {
        PortRequest request = new("b1") { Ports = ports };
        await using Scene scene = new("20004-20005", options => (options.Order, options.ReuseDelay) = (order, TimeSpan.Zero));
        int last = scene.Acquire(request).Port;
        for (int i = 0; i < 10; i++)
        {
            scene.Clock.Advance(TimeSpan.FromSeconds(61));
            PortLease lease = scene.Acquire(request);
            lease.Port.Should().NotBe(last);
            last = lease.Port;
        }
    }

    [Fact]
    public async Task WhileAlive_NextAcquisitionAfterADeath_TakesThePlaceholderOver()
    {
        PortRange range = PortBlock.Take(4);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Guard = PortGuardMode.WhileAlive);
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        Child worker = await ListeningChild.StartAsync(lease.Port);
        using (worker)
        {
            scene.SessionOf(worker).Register("b1", lease.Port, lease.Epoch);
            worker.Kill();
        }

        scene.Registry.Maintain();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);

        scene.Acquire("other").Port.Should().NotBe(lease.Port);
        PortLease next = scene.Acquire("b1");
        (next.Port, next.Guarantee).Should().Be((lease.Port, PortGuarantee.Exclusive));
    }

    [Fact]
    public async Task WhileAlive_AfterTheDelayOrForAFreshRequest_IsAsFreshAsTheOptionsSay()
    {
        await using Scene scene = new(configure: options => options.Guard = PortGuardMode.WhileAlive);
        Die(scene, "b1", 20_003);
        scene.Acquire(new PortRequest("b1") { Reuse = PortReuse.Fresh }).Port.Should().NotBe(20_003);

        Die(scene, "b2", 20_005);
        scene.Clock.Advance(TimeSpan.FromSeconds(180));
        scene.Acquire("b2").Port.Should().NotBe(20_005, "it was kept for ReuseDelay");
    }

    [Theory]
    [MemberData(nameof(Wanting))]
    public async Task Wanting_AfterRestarts_RecallsThePortOfTheRightRun(PortReuse reuse, PortProtocol protocol)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortRequest fresh = new("b1") { Protocol = protocol, Reuse = PortReuse.Fresh }, wanting = fresh with { Reuse = reuse };
        int port = 0;
        for (int run = 0; run < 4; run++)
        {
            PortLease lease = await scene.AcquireAsync(fresh);
            lease.Port.Should().NotBe(port);
            port = lease.Port;
            await lease.ReleaseAsync().AsTask().Within();
            if (run % 2 == 0)
            {
                await scene.KillAndOpenAsync(TimeSpan.FromMinutes(5));
            }
            else
            {
                await scene.RebootAsync();
            }

            lease = await scene.AcquireAsync(wanting);
            lease.Port.Should().Be(port, "that is the last one of run {0}", run);
            await lease.ReleaseAsync().AsTask().Within();
        }

        PortLease other = await scene.AcquireAsync(new PortRequest("other") { Protocol = protocol, Previous = port, Reuse = PortReuse.Require });
        await other.ReleaseAsync().AsTask().Within();
        await scene.KillAndOpenAsync(TimeSpan.FromMinutes(5));
        (await scene.AcquireAsync(wanting)).Port.Should().NotBe(port, "it was given to another owner");
    }

    [Fact]
    public async Task Prefer_AfterCompactionsAndAThousandOthers_IsKnownAndTheFileIsBounded()
    {
        using StateFolderOfTest folder = new();
        PortRegistryOptions options = new() { Ports = "20000-20049", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, StateFolder = folder.Path, ReuseDelay = TimeSpan.FromMilliseconds(1) };
        FakeTimeProvider clock = new();
        int port;
        await using (PortRegistry registry = await PortRegistry.OpenAsync(options, timeProvider: clock).Within())
        {
            PortLease kept = await registry.AcquireAsync("kept").AsTask().Within();
            port = kept.Port;
            await kept.ReleaseAsync().AsTask().Within();
            for (int i = 0; i < 3_000; i++)
            {
                PortRequest request = new(FormattableString.Invariant($"passing{i}")) { Previous = 20_000 + (i % 50), Reuse = PortReuse.Require };
                if (request.Previous != port)
                {
                    await (await registry.AcquireAsync(request).AsTask().Within()).ReleaseAsync().AsTask().Within();
                    clock.Advance(TimeSpan.FromMilliseconds(2));
                }
            }
        }

        new FileInfo(folder.StatePath).Length.Should().BeLessThan(1024 * 1024 + 64 * 1024);
        for (int start = 0; start < 2; start++)
        {
            await using PortRegistry registry = await PortRegistry.OpenAsync(options, timeProvider: clock).Within();
            PortLease lease = await registry.AcquireAsync(new PortRequest("kept") { Reuse = PortReuse.Require }).AsTask().Within();
            lease.Port.Should().Be(port);
            await lease.ReleaseAsync().AsTask().Within();
            lease = await registry.AcquireAsync(new PortRequest("passing2999") { Reuse = PortReuse.Require }).AsTask().Within();
            lease.Port.Should().Be(20_049);
            await lease.ReleaseAsync().AsTask().Within();
        }
    }

    private static void Die(Scene scene, string owner, int port)
    {
        Child child = scene.StartChild();
        scene.SessionOf(child).Register(owner, port);
        child.Kill();
        scene.Registry.Maintain();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
    }
}
