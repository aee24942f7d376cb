using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A store that fails makes typed errors and changes nothing that lookups show; the
/// registry recovers when the store does.</summary>
public sealed class FailingStoreTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AcquireAsync_StoreFails_IsATypedErrorAndTheLeaseNeverWas(bool onDiskAllTheSame)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Ports = "20000-20000");
        scene.Store.Fail(writesAllTheSame: onDiskAllTheSame);
        PortRefusal refusal = await scene.Registry.AcquireAsync("a").RefusalAsync();
        refusal.ShouldExplain(PortRefusalReason.StoreFailed, "a", "No space left on device");
        scene.Registry.TryGetEntry("a", out _).Should().BeFalse();
        (await scene.Registry.AcquireAsync("b").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed, "and no port is taken for it");

        scene.Store.Heal();
        PortLease lease = await scene.AcquireAsync("c");
        lease.Port.Should().Be(20000, "the end of the one that failed is on disk before it");
        scene.Store.Facts.Should().NotContain(fact => fact.Owner != "c" && fact.State != PortState.Cooling);
        scene.Registry.AssertInvariants();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RegisterAsync_StoreFails_TheLeaseStaysOpenAndMayBeUsedWhenItWorks(bool onDiskAllTheSame)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        scene.Store.Fail(writesAllTheSame: onDiskAllTheSame);
        (await scene.Here.RegisterAsync(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "a");
        scene.PortOf("a").Should().Be(0);
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);

        scene.Store.Heal();
        await scene.RegisterAsync("a", lease.Port, lease.Epoch);
        (await lease.WhenBound.Within()).Port.Should().Be(lease.Port);
        await scene.KillAndOpenAsync();
        scene.StateOf(lease.Port).Should().Be(PortState.Recovered, "what was acknowledged is there");
    }

    /// <summary>The registration is given a higher epoch than its lease, because of one beside
    /// that.</summary>
    [Fact]
    public async Task RegisterAsync_WithAHigherEpochThanItsLease_StoreFails_TheLeaseIsThereAfterARestart()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await OutrankedAsync(scene);
        scene.Store.Fail();
        (await scene.Here.RegisterAsync(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();
        await scene.KillAndOpenAsync();

        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
        scene.StateOf(50_123).Should().Be(PortState.Recovered);
        await scene.RegisterAsync("a", lease.Port, lease.Epoch);
        await scene.KillAndOpenAsync();
        scene.StateOf(lease.Port).Should().Be(PortState.Recovered);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RegisterAsync_WithAHigherEpochThanItsLeaseAndDurableThoughItFailed_EndsWithTheLease(bool isTriedAgain)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await OutrankedAsync(scene);
        for (int tries = isTriedAgain ? 2 : 1; tries > 0; tries--)
        {
            scene.Store.Fail(writesAllTheSame: true);
            (await scene.Here.RegisterAsync(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
            scene.Store.Heal();
            await scene.Registry.FlushAsync().Within();
        }

        await lease.ReleaseAsync().AsTask().Within();
        await scene.KillAndOpenAsync();

        scene.StateOf(lease.Port).Should().Be(PortState.Cooling, "nobody was given it");
        scene.StateOf(50_123).Should().Be(PortState.Recovered, "it was acknowledged, and its process lives");
    }

    [Fact]
    public async Task ReportBindFailureAsync_OfALeaseWithoutAPort_StoreFails_TheLeaseIsThereAfterARestart()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        PortLease lease = await scene.AcquireAsync("a");
        scene.Store.Fail();
        (await scene.Here.ReportBindFailureAsync(new PortClaimRequest("a", 50_123) { Epoch = lease.Epoch }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        lease.IsOpen.Should().BeTrue();
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();
        await scene.KillAndOpenAsync();

        scene.Registry.TryGetEntry("a", out PortEntry entry).Should().BeTrue();
        (entry.State, entry.Epoch).Should().Be((PortState.Reserved, lease.Epoch));
    }

    [Theory]
    [InlineData("lease", "it is released")]
    [InlineData("lease", "its epoch is released")]
    [InlineData("lease", "it runs out")]
    [InlineData("registration", "it is released")]
    [InlineData("registration", "its epoch is released")]
    public async Task End_ARegistrationThatGoesOnFailedBefore_ThePortCoolsAndComesBack(string what, string end)
    {
        // What failed lies above it, in the slot of the port too, and has its epoch.
        await using StoreScene scene = await StoreScene.OpenAsync(options => (options.Ports, options.ReuseDelay, options.ReuseCooling) = ("20000-20000", TimeSpan.FromSeconds(20), false));
        PortLease lease = await scene.AcquireAsync("a");
        if (what == "registration")
        {
            await scene.RegisterAsync("a", 20000, lease.Epoch);
        }

        scene.Store.Fail();
        PortSession again = scene.Registry.OpenSession(Environment.ProcessId);
        (await again.RegisterAsync(new PortClaimRequest("a", 20000) { Epoch = lease.Epoch }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.StateOf(20000).Should().Be(what == "lease" ? PortState.Reserved : PortState.Bound);
        if (end == "it runs out")
        {
            scene.Clock.Advance(scene.Options.LeaseTimeout + scene.Options.LivenessInterval);
            await Eventually.TrueAsync(() => !lease.IsOpen);
        }
        else
        {
            (await (end == "it is released" ? lease.ReleaseAsync() : again.ReleaseAsync(new PortClaimRequest("a") { Epoch = lease.Epoch })).RefusalAsync())
                .Reason.Should().Be(PortRefusalReason.StoreFailed);
        }

        scene.StateOf(20000).Should().Be(PortState.Cooling, "its end is not on disk");
        (await scene.Registry.AcquireAsync(new PortRequest("b") { Previous = 20000, Reuse = PortReuse.Require }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        scene.Clock.Advance(scene.Options.LivenessInterval);
        await scene.Registry.FlushAsync().Within();

        scene.StateOf(20000).Should().Be(PortState.Cooling);
        (await scene.Registry.AcquireAsync("b").RefusalAsync()).Reason.Should().Be(PortRefusalReason.Exhausted);
        scene.Clock.Advance(scene.Options.ReuseDelay);
        (await scene.AcquireAsync("b")).Port.Should().Be(20000);
        scene.Registry.AssertInvariants();
    }

    [Theory]
    [InlineData("its owner asks for it again")]
    [InlineData("it is kept for its owner")]
    [InlineData("nothing else is free")]
    [InlineData("all or none")]
    [InlineData("a process brings it")]
    public async Task AcquireOrRegister_OfAPortThatCoolsFails_ThePortCoolsOn(string why)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options =>
        {
            (options.Ports, options.ReuseDelay, options.ReuseCooling) = ("20000-20000", TimeSpan.FromSeconds(20), why == "nothing else is free");
            if (why == "it is kept for its owner")
            {
                options.KeptPorts["a"] = 20000;
            }
        });
        PortRequest own = new("a") { Previous = why == "it is kept for its owner" ? null : 20000, Reuse = PortReuse.Prefer };
        await (await scene.AcquireAsync(own)).ReleaseAsync();
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        scene.Store.Fail();
        Task failing = why switch
        {
            "nothing else is free" => scene.Registry.AcquireAsync("c").AsTask(),
            "all or none" => scene.Registry.AcquireAllAsync([own, new PortRequest("c") { Strategy = PortRegistryOptions.ProcessBinds }]).AsTask(),
            "a process brings it" => scene.Here.RegisterAsync(new PortClaimRequest("c", 20000)).AsTask(),
            _ => scene.Registry.AcquireAsync(own).AsTask(),
        };
        (await failing.RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        scene.Clock.Advance(scene.Options.LivenessInterval);
        await scene.Registry.FlushAsync().Within();

        scene.StateOf(20000).Should().Be(PortState.Cooling, "the process that had it a moment ago may still have clients");
        await scene.KillAndOpenAsync();
        scene.StateOf(20000).Should().Be(PortState.Cooling, "a restart does not end that");
        if (!scene.Options.ReuseCooling)
        {
            (await scene.Registry.AcquireAsync("b").RefusalAsync()).Reason.Should().Be(PortRefusalReason.Exhausted);
        }

        scene.Clock.Advance(scene.Options.ReuseDelay);
        scene.StateOf(20000).Should().Be(PortState.Free);
        (await scene.AcquireAsync(why == "it is kept for its owner" ? "a" : "b")).Port.Should().Be(20000);
        scene.Registry.AssertInvariants();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.TcpAndUdp)]
    public async Task ExtendAsync_WhileTheLeaseGetsAnotherPort_IsThereAfterARestart(PortProtocol protocol)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync(new PortRequest("a") { Protocol = protocol });
        scene.Store.Hold();
        Task reporting = lease.ReportBindFailureAsync().AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task extending = lease.ExtendAsync(TimeSpan.FromMinutes(10)).AsTask();
        scene.Store.Release();
        await reporting.Within();
        await extending.Within();

        await scene.KillAndOpenAsync(TimeSpan.FromMinutes(5));

        foreach (PortProtocol half in protocol == PortProtocol.Tcp ? [PortProtocol.Tcp] : (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp])
        {
            scene.Registry.TryGetEntry("a", out PortEntry entry, half).Should().BeTrue("it was given ten minutes");
            (entry.Port, entry.State).Should().Be((lease.Port, PortState.Reserved));
        }
    }

    [Fact]
    public async Task TryGetEntry_OneThatSharedThePortCouldNotBeWritten_ThePortOfTheOtherCools()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => (options.Ports, options.ReuseDelay, options.ReuseCooling) = ("20000-20000", TimeSpan.FromSeconds(20), false));
        await scene.RegisterAsync("a", 20000);
        scene.Store.Hold();
        Task failing = scene.Here.RegisterAsync(new PortClaimRequest("b", 20000)).AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task releasing = scene.Here.ReleaseAsync("a").AsTask();
        scene.Clock.Advance(TimeSpan.FromMilliseconds(1));
        scene.Store.Fail();
        scene.Store.Release();
        (await failing.RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        (await releasing.RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        scene.Clock.Advance(scene.Options.LivenessInterval);
        await scene.Registry.FlushAsync().Within();

        (await scene.Registry.AcquireAsync("c").RefusalAsync()).Reason.Should().Be(PortRefusalReason.Exhausted);
        scene.StateOf(20000).Should().Be(PortState.Cooling);
        scene.Registry.TryGetEntry(20000, out PortEntry entry).Should().BeTrue();
        entry.Owner.Should().Be("a");
        scene.Registry.Snapshot().Entries.Should().ContainSingle().Which.Owner.Should().Be("a");
    }

    [Fact]
    public async Task AcquireAllAsync_APortThatCoolsAfterAFailureIsGivenBack_ItsOwnerMayStillHaveIt()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => (options.Ports, options.ReuseDelay, options.ReuseCooling) = ("20000-20000", TimeSpan.FromSeconds(20), false));
        PortRequest own = new("a") { Previous = 20000, Reuse = PortReuse.Prefer };
        await (await scene.AcquireAsync(own)).ReleaseAsync();
        scene.Store.Fail();
        (await scene.Registry.AcquireAsync(own).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();

        (await scene.Registry.AcquireAllAsync([own, "b"]).RefusalAsync()).ShouldExplain(PortRefusalReason.Exhausted, "Request 2 of 2");

        scene.StateOf(20000).Should().Be(PortState.Cooling);
        (await scene.Registry.AcquireAsync("b").RefusalAsync()).Reason.Should().Be(PortRefusalReason.Exhausted);
        (await scene.AcquireAsync(own)).Port.Should().Be(20000);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task AcquireAsync_StoreFailsAgainAndAgain_TheLogSaysItOnce()
    {
        LogLines log = new();
        FakePortStore store = new();
        PortRegistryOptions options = new() { Ports = Scene.TenPorts, Strategy = PortRegistryOptions.AllocatorPicks, Probe = false };
        await using PortRegistry registry = await PortRegistry.OpenOnAsync(options, store, Guid.NewGuid(), log, new FakeTimeProvider(), CancellationToken.None).Within();
        for (int round = 1; round <= 2; round++)
        {
            store.Fail();
            for (int i = 0; i < 3; i++)
            {
                (await registry.AcquireAsync("a").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
            }

            store.Heal();
            await (await registry.AcquireAsync("a").AsTask().Within()).ReleaseAsync().AsTask().Within();
            log.Of("StoreFailed").Should().HaveCount(round);
            log.Of("StoreWorks").Should().HaveCount(round);
        }
    }

    [Fact]
    public async Task ReleaseAsync_StoreFailedAndWorksAgain_AnEndIsWrittenWithoutAnybodyAsking()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        scene.Store.Fail();
        (await lease.ReleaseAsync().AsTask().RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        for (int i = 0; i < 2; i++)
        {
            await scene.Registry.FlushAsync().Within();   // no attempt is under way any more
        }

        scene.Store.Heal();

        scene.Clock.Advance(scene.Options.LivenessInterval);

        await Eventually.TrueAsync(() => scene.Store.Facts.Any(fact => fact.Owner == "a" && fact.State == PortState.Cooling));
    }

    [Fact]
    public async Task RegisterAsync_ProcessBringsThePortAndStoreFails_TheSameEpochRegistersLater()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = PortRegistryOptions.ProcessBinds);
        PortLease lease = await scene.AcquireAsync("a");
        scene.Store.Fail(writesAllTheSame: true);
        (await scene.Here.RegisterAsync(new PortClaimRequest("a", 20003) { Epoch = lease.Epoch }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await scene.RegisterAsync("a", 20003, lease.Epoch);
        await scene.KillAndOpenAsync();
        scene.StateOf(20003).Should().Be(PortState.Recovered);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task RegisterAsync_ReplacementFails_TheOldOneIsServedBeforeAndAfterARestart(bool onDiskAllTheSame)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("a", 20000);
        scene.Store.Fail(writesAllTheSame: onDiskAllTheSame);
        (await scene.Here.RegisterAsync(new PortClaimRequest("a", 20001)).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.PortOf("a").Should().Be(20000);
        scene.StateOf(20001).Should().Be(PortState.Cooling, "what may be on disk has to be taken back first");

        scene.Store.Heal();
        await scene.RegisterAsync("b", 20002);
        scene.StateOf(20001).Should().Be(PortState.Free);
        await scene.KillAndOpenAsync();
        scene.StateOf(20000).Should().Be(PortState.Recovered);
        scene.StateOf(20001).Should().Be(PortState.Free);
    }

    [Fact]
    public async Task RegisterAsync_SameAgainOverANewSessionFails_TheEntryStays()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortEntry entry = await scene.RegisterAsync("a", 20000);
        scene.Store.Fail(writesAllTheSame: true);
        PortSession again = scene.Registry.OpenSession(Environment.ProcessId);
        (await again.RegisterAsync(new PortClaimRequest("a", 20000)).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.PortOf("a").Should().Be(20000);
        scene.Store.Heal();
        (await scene.RegisterAsync("a", 20000, session: again)).Epoch.Should().Be(entry.Epoch);
        await scene.KillAndOpenAsync();
        scene.StateOf(20000).Should().Be(PortState.Recovered);
    }

    [Fact]
    public async Task ReleaseAsync_StoreFails_ThePortIsUnusableUntilItWorks()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options =>
        {
            options.Ports = "20000-20000";
            options.ReuseDelay = TimeSpan.FromSeconds(1);
        });
        PortLease lease = await scene.AcquireAsync("a");
        scene.Store.Fail();
        (await lease.ReleaseAsync().RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "No space left on device");
        scene.Registry.TryGetEntry("a", out _).Should().BeFalse("lookups stop at once");
        scene.Clock.Advance(TimeSpan.FromSeconds(30));
        scene.StateOf(20000).Should().Be(PortState.Cooling);
        (await scene.Registry.AcquireAsync(new PortRequest("b") { Previous = 20000, Reuse = PortReuse.Require }).RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "No space left on device");

        scene.Store.Heal();
        (await scene.AcquireAsync("b")).Port.Should().Be(20000);
    }

    [Fact]
    public async Task Death_StoreFails_IsNeverUndoneAndTriedAgainByThePass()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child child = scene.StartChild();
        await scene.RegisterAsync("a", 20000, session: scene.Registry.OpenSession(child.Id));
        scene.Store.Fail();
        child.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        scene.PortOf("a").Should().Be(0);
        await scene.Registry.FlushAsync().Within();
        scene.Store.Heal();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.Store.Facts.Single().State == PortState.Cooling);
    }

    [Fact]
    public async Task ReportBindFailureAsync_StoreFails_TheLeaseStaysAndHealsWhenItWorks()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        int first = lease.Port;
        scene.Store.Fail(writesAllTheSame: true);
        (await lease.ReportBindFailureAsync().RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        scene.Store.Heal();
        await lease.ReportBindFailureAsync().Within();
        lease.Port.Should().NotBe(first);
        long epoch = lease.Epoch;
        await scene.KillAndOpenAsync();
        scene.Registry.TryGetEntry("a", out PortEntry entry).Should().BeTrue();
        (entry.State, entry.Epoch).Should().Be((PortState.Reserved, epoch));
    }

    [Fact]
    public async Task Background_StoreFails_EverythingIsWrittenWhenItWorks()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Durability = PortDurability.Background);
        scene.Store.Fail();
        scene.Registry.TryAcquire("a", out PortLease? lease, out _).Should().BeTrue("it completes at once");
        scene.Here.Register("a", lease!.Port, lease.Epoch);
        scene.Here.Register("b", 20009);
        scene.Here.Release("b");
        await scene.Registry.FlushAsync().Within();
        scene.Store.Facts.Should().BeEmpty();
        scene.Store.Heal();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.Store.Facts.Count == 2);
        scene.Store.Facts.Should().Contain(fact => fact.Owner == "a" && fact.State == PortState.Bound);
        scene.Store.Facts.Should().Contain(fact => fact.Owner == "b" && fact.State == PortState.Cooling);
    }

    /// <summary>An open lease of "a", beside which that is registered with a higher epoch.</summary>
    private static async Task<PortLease> OutrankedAsync(StoreScene scene)
    {
        PortLease lease = await scene.AcquireAsync("a");
        for (long seen = 0; seen <= lease.Epoch;)
        {
            seen = (await scene.RegisterAsync("b", 50_123)).Epoch!.Value;
            await scene.Here.ReleaseAsync("b").AsTask().Within();
        }

        (await scene.RegisterAsync("a", 50_123)).Epoch.Should().BeGreaterThan(lease.Epoch);
        return lease;
    }
}
