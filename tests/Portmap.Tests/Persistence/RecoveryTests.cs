using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>What comes back after a restart of the daemon, case by case.</summary>
public sealed class RecoveryTests
{
    [Fact]
    public async Task OpenAsync_BoundEntryOfALivingProcess_WaitsAsRecovered()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child child = scene.StartChild();
        PortEntry before = await scene.RegisterAsync("a", 20003, session: scene.Registry.OpenSession(child.Id));
        await scene.KillAndOpenAsync();

        scene.PortOf("a").Should().Be(0, "lookups answer from the sign-in on");
        scene.Registry.TryGetEntry("a", out _).Should().BeFalse();
        scene.Registry.EnumerateOwners(20003).Should().BeEmpty();
        scene.Registry.TryGetEntry(20003, out PortEntry entry).Should().BeTrue();
        (entry.State, entry.Owner, entry.ProcessId, entry.Epoch, entry.Since).Should().Be((PortState.Recovered, "a", child.Id, before.Epoch, before.Since));
        scene.Registry.Snapshot().Entries.Should().ContainSingle().Which.State.Should().Be(PortState.Recovered);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task OpenAsync_MoreOwnersThanTheIndexBeginsWith_EachIsFoundByItsName()
    {
        const int Owners = 5_000;
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Ports = "20000-29999");
        PortEntry[] before = await SignInAsync();
        await scene.KillAndOpenAsync();

        PortEntry[] after = await SignInAsync();

        after.Select(entry => entry.Epoch).Should().Equal(before.Select(entry => entry.Epoch), "who is not found by name gets a claim of its own");
        scene.Registry.AssertInvariants();

        Task<PortEntry[]> SignInAsync() =>
            Task.WhenAll(Enumerable.Range(0, Owners).Select(i => scene.Here.RegisterAsync(new PortClaimRequest($"b{i}", 20000 + i)).AsTask())).Within();
    }

    [Fact]
    public async Task OpenAsync_ClaimsOfAUser_AreThatUsersStill()
    {
        const uint User = 4_001, Other = 4_002;
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortEntry bound = await scene.RegisterAsync("a", 20003, session: scene.Registry.OpenSession(scene.StartChild().Id, User));
        PortEntry unknown = await scene.RegisterAsync("b", 20004, session: scene.Registry.OpenSession(null, User));
        PortLease lease = await scene.AcquireAsync(new PortRequest("c") { UserId = User });
        await scene.KillAndOpenAsync();

        PortSession other = scene.Registry.OpenSession(scene.StartChild().Id, Other), same = scene.Registry.OpenSession(scene.StartChild().Id, User);
        (await other.ReleaseAsync(new PortClaimRequest("a") { Epoch = bound.Epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.NotOwner, "a", User, Other);
        (await other.ReleaseAsync(new PortClaimRequest("b") { Epoch = unknown.Epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.NotOwner, "b", User, Other);
        (await other.RegisterAsync(new PortClaimRequest("c", lease.Port) { Epoch = lease.Epoch }).RefusalAsync()).ShouldExplain(PortRefusalReason.NotOwner, "c", User, Other);

        await scene.RegisterAsync("c", lease.Port, lease.Epoch, same);
        await same.ReleaseAsync(new PortClaimRequest("a") { Epoch = bound.Epoch }).AsTask().Within();
        await same.ReleaseAsync(new PortClaimRequest("b") { Epoch = unknown.Epoch }).AsTask().Within();
        (scene.StateOf(20003), scene.StateOf(20004)).Should().Be((PortState.Cooling, PortState.Cooling));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RegisterAsync_RecoveredProcessSignsInAgain_IsServedWithItsEpoch(bool withEpoch)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        await scene.RegisterAsync("a", lease.Port, lease.Epoch);
        await scene.KillAndOpenAsync();

        PortEntry entry = await scene.RegisterAsync("a", lease.Port, withEpoch ? lease.Epoch : 0);
        (entry.State, entry.Port, entry.Epoch).Should().Be((PortState.Bound, lease.Port, lease.Epoch));
        scene.PortOf("a").Should().Be(lease.Port);
        await scene.KillAndOpenAsync();
        scene.StateOf(lease.Port).Should().Be(PortState.Recovered, "and it comes back a second time");
    }

    [Fact]
    public async Task RegisterAsync_StrangerWantsARecoveredPortOrOwner_IsRefused()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Ports = "20000-20000");
        Child child = scene.StartChild();
        await scene.RegisterAsync("a", 20000, session: scene.Registry.OpenSession(child.Id));
        await scene.KillAndOpenAsync();

        (await scene.Here.RegisterAsync(new PortClaimRequest("b", 20000)).RefusalAsync()).ShouldExplain(PortRefusalReason.Conflict, "a", child.Id);
        (await scene.Here.RegisterAsync(new PortClaimRequest("a", 20001)).RefusalAsync()).ShouldExplain(PortRefusalReason.Conflict, child.Id);
        (await scene.Here.ReleaseAsync("a").RefusalAsync()).Reason.Should().Be(PortRefusalReason.NotOwner);
        (await scene.Registry.AcquireAsync("b").RefusalAsync()).Reason.Should().Be(PortRefusalReason.Exhausted);
        PortRequest insists = new("b") { Previous = 20000, Reuse = PortReuse.Require };
        (await scene.Registry.AcquireAsync(insists).RefusalAsync()).ShouldExplain(PortRefusalReason.InUse, "a", child.Id);
    }

    [Fact]
    public async Task AcquireAsync_ForARecoveredOwner_MayReplaceIt()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child child = scene.StartChild();
        await scene.RegisterAsync("a", 20000, session: scene.Registry.OpenSession(child.Id));
        await scene.KillAndOpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        lease.Port.Should().NotBe(20000);
        scene.StateOf(20000).Should().Be(PortState.Recovered);
        await scene.RegisterAsync("a", lease.Port, lease.Epoch);
        scene.PortOf("a").Should().Be(lease.Port);
        scene.StateOf(20000).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task OpenAsync_BoundEntryOfADeadProcess_HasEndedAndCools()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child child = scene.StartChild();
        await scene.RegisterAsync("a", 20003, session: scene.Registry.OpenSession(child.Id));
        scene.Store.AfterKill();
        child.Kill();
        await scene.KillAndOpenAsync();

        scene.StateOf(20003).Should().Be(PortState.Cooling);
        scene.Store.Facts.Should().ContainSingle().Which.State.Should().Be(PortState.Cooling, "it is written before the registry is open");
        (await scene.RegisterAsync("a", 20004)).Port.Should().Be(20004);
        scene.Clock.Advance(TimeSpan.FromSeconds(61));
        scene.StateOf(20003).Should().Be(PortState.Free);
    }

    [Fact]
    public async Task Recovered_ProcessDiesLater_Ends()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child child = scene.StartChild();
        await scene.RegisterAsync("a", 20003, session: scene.Registry.OpenSession(child.Id));
        await scene.KillAndOpenAsync();
        child.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        scene.StateOf(20003).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task OpenAsync_AnotherProcessHasThePidNow_HasEnded()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.Store.AppendAsync(
            [new PortFact { Owner = "a", Port = 20003, Epoch = 1, State = PortState.Bound, ProcessId = Environment.ProcessId, ProcessStart = 1, BootId = scene.BootId }], CancellationToken.None);
        await scene.KillAndOpenAsync();
        scene.StateOf(20003).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task OpenAsync_AfterAReboot_EveryEntryHasEndedAndNothingCools()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("bound", 20000);
        PortLease reserved = await scene.AcquireAsync("reserved");
        await scene.RegisterAsync("cooling", 20005);
        await scene.Here.ReleaseAsync("cooling").Within();
        await scene.RebootAsync();

        scene.Registry.Snapshot().Entries.Should().BeEmpty();
        scene.Store.Facts.Should().OnlyContain(fact => fact.State == PortState.Cooling);
        (await scene.Here.RegisterAsync(new PortClaimRequest("reserved", reserved.Port) { Epoch = reserved.Epoch }).Within()).Epoch.Should().BeGreaterThan(reserved.Epoch, "an epoch of an earlier run counts as none");
    }

    [Theory]
    [InlineData("AllocatorPicks")]
    [InlineData("ProcessBinds")]
    public async Task OpenAsync_OpenLease_HasTheTimeLeftThatItHad(string strategy)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Strategy = strategy);
        PortLease lease = await scene.AcquireAsync("a");
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(40));
        scene.Registry.TryGetEntry("a", out PortEntry entry).Should().BeTrue();
        (entry.State, entry.Port, entry.Epoch, entry.Strategy).Should().Be((PortState.Reserved, lease.Port, lease.Epoch, strategy));
        (await scene.Registry.AcquireAsync("a").RefusalAsync()).Reason.Should().Be(PortRefusalReason.AlreadyReserved);
        scene.Clock.Advance(TimeSpan.FromSeconds(19));
        scene.Registry.TryGetEntry("a", out _).Should().BeTrue();
        scene.Clock.Advance(TimeSpan.FromSeconds(16));
        scene.Registry.TryGetEntry("a", out _).Should().BeFalse();
    }

    [Fact]
    public async Task RegisterAsync_LeaseOfTheEarlierRun_IsUsedByItsEpoch()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        PortLease both = await scene.AcquireAsync(new PortRequest("both") { Protocol = PortProtocol.TcpAndUdp });
        await scene.KillAndOpenAsync();
        (await scene.Here.RegisterAsync(new PortClaimRequest("a", lease.Port + 5) { Epoch = lease.Epoch }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.WrongPort);
        PortEntry entry = await scene.RegisterAsync("a", lease.Port, lease.Epoch);
        entry.Epoch.Should().BeGreaterThan(lease.Epoch, "what had a higher one since may be forgotten");
        (await scene.RegisterAsync("a", lease.Port, lease.Epoch, scene.Registry.OpenSession(Environment.ProcessId))).Epoch.Should().Be(entry.Epoch, "its worker is known by its own");
        await scene.Here.RegisterAsync(new PortClaimRequest("both", both.Port) { Epoch = both.Epoch }).Within();
        await scene.Here.RegisterAsync(new PortClaimRequest("both", both.Port) { Epoch = both.Epoch, Protocol = PortProtocol.Udp }).Within();
        await scene.KillAndOpenAsync();
        scene.Registry.Snapshot().Entries.Should().HaveCount(3).And.OnlyContain(entry => entry.State == PortState.Recovered);
    }

    [Fact]
    public async Task OpenAsync_LeaseThatRanOutMeanwhile_HasEnded()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(61));
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
        (await scene.AcquireAsync("a")).Port.Should().NotBe(lease.Port);
    }

    [Fact]
    public async Task OpenAsync_CoolingPort_HasTheTimeLeftThatItHad()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortLease lease = await scene.AcquireAsync("a");
        await lease.ReleaseAsync().Within();
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(40));
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
        (await scene.AcquireAsync(new PortRequest("a") { Previous = lease.Port, Reuse = PortReuse.Prefer })).Port.Should().Be(lease.Port, "its owner may have it back at once");
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(1));
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);
    }

    [Fact]
    public async Task OpenAsync_CoolingPort_IsFreeWhenItsTimeIsOver()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.ReuseCooling = false);
        PortLease lease = await scene.AcquireAsync("a");
        await lease.ReleaseAsync().Within();
        await scene.KillAndOpenAsync(TimeSpan.FromSeconds(40));
        scene.Clock.Advance(TimeSpan.FromSeconds(21));
        scene.StateOf(lease.Port).Should().Be(PortState.Free);
        for (int i = 0; i < 10; i++)
        {
            await scene.AcquireAsync($"b{i}");
        }
    }

    [Fact]
    public async Task OpenAsync_NarrowerRange_KeepsWhatLiesOutsideAndNeverHandsItOut()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("inside", 20000);
        await scene.RegisterAsync("outside", 20009);
        PortLease lease = await scene.AcquireAsync(new PortRequest("lease") { Previous = 20008, Reuse = PortReuse.Require });
        scene.Options.Ports = "20000-20002";
        await scene.KillAndOpenAsync();

        scene.StateOf(20009).Should().Be(PortState.Recovered);
        (await scene.RegisterAsync("outside", 20009)).Port.Should().Be(20009);
        (await scene.RegisterAsync("lease", 20008, lease.Epoch)).Port.Should().Be(20008);
        await scene.Here.ReleaseAsync("outside").Within();
        scene.Clock.Advance(TimeSpan.FromSeconds(90));
        (await scene.AcquireAsync("b")).Port.Should().BeInRange(20001, 20002);
        (await scene.AcquireAsync("c")).Port.Should().BeInRange(20001, 20002);
        (await scene.Registry.AcquireAsync("d").RefusalAsync()).Reason.Should().Be(PortRefusalReason.Exhausted);
    }

    [Theory]
    [InlineData("20000-20009", 20005)]
    [InlineData("20000-20004", 20000)]   // the ranges are not handed out any more: any port will do
    public async Task OpenAsync_LeaseOfCertainRanges_IsGivenAnotherPortInsideThem(string ports, int second)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Order = PortOrder.LowestFree);
        PortLease lease = await scene.AcquireAsync(new PortRequest("a") { Ports = "20004-20006" });
        lease.Port.Should().Be(20004);
        scene.Options.Ports = ports;
        await scene.KillAndOpenAsync();

        PortLease healed = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("a", 20004) { Epoch = lease.Epoch }).AsTask().Within();

        healed.Port.Should().Be(second);
        scene.Store.Facts.MaxBy(fact => fact.Epoch)!.Ports.Should().Be(second == 20005 ? "20004-20006" : null);
    }

    [Fact]
    public async Task OpenAsync_SeveralOwnersOfOneProcessOnOnePort_ComeBackExactly()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child child = scene.StartChild();
        PortSession session = scene.Registry.OpenSession(child.Id);
        foreach (string owner in (string[])["b1", "b2", "b3"])
        {
            await scene.RegisterAsync(owner, 20004, session: session);
        }

        await session.ReleaseAsync("b2").Within();
        await scene.KillAndOpenAsync();
        scene.Registry.Snapshot().Entries.Select(entry => (entry.Owner, entry.State)).Should().BeEquivalentTo([("b1", PortState.Recovered), ("b3", PortState.Recovered)]);
        PortSession again = scene.Registry.OpenSession(child.Id);
        await scene.RegisterAsync("b3", 20004, session: again);
        scene.Registry.EnumerateOwners(20004).Select(entry => entry.Owner).Should().Equal("b3");
        await again.ReleaseAsync("b3").Within();
        scene.StateOf(20004).Should().Be(PortState.Recovered, "b1 is still there");
        (await scene.RegisterAsync("b1", 20004, session: again)).OwnerCount.Should().Be(1);
    }

    [Fact]
    public async Task OpenAsync_ReplacementWhoseOldEndWasNotWritten_OnlyTheNewOneComesBack()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child child = scene.StartChild();
        PortSession session = scene.Registry.OpenSession(child.Id);
        PortFact old = Fact(await scene.RegisterAsync("a", 20000, session: session), scene);
        await scene.RegisterAsync("a", 20001, session: session);

        // As if the daemon had been killed between the two writes.
        scene.Store.Lose(fact => fact.Port == 20000);
        await scene.Store.AppendAsync([old], CancellationToken.None);
        await scene.KillAndOpenAsync();
        scene.StateOf(20001).Should().Be(PortState.Recovered);
        scene.StateOf(20000).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task OpenAsync_ReplacementWasReleasedAndTheOldEndWasNotWritten_NeitherComesBack()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        Child child = scene.StartChild();
        PortSession session = scene.Registry.OpenSession(child.Id);
        PortFact old = Fact(await scene.RegisterAsync("a", 20000, session: session), scene);
        await scene.RegisterAsync("a", 20001, session: session);
        await session.ReleaseAsync("a").Within();

        // As if power had failed while both ends were being written, and the later one was there.
        scene.Store.Lose(fact => fact.Port == 20000);
        await scene.Store.AppendAsync([old], CancellationToken.None);
        await scene.KillAndOpenAsync();
        scene.StateOf(20001).Should().Be(PortState.Cooling);
        scene.StateOf(20000).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task OpenAsync_Epochs_NeverRepeatAlsoWhenTheLastBatchWasLost()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Durability = PortDurability.Background);
        HashSet<long> epochs = [];
        for (int run = 0; run < 5; run++)
        {
            long first = scene.Registry.FirstEpoch;
            long revision = scene.Registry.Snapshot().Revision;
            revision.Should().Be(first);
            for (int i = 0; i < 2_000; i++)
            {
                scene.Registry.TryAcquire($"a{i}", out PortLease? lease, out _).Should().BeTrue();
                lease!.Epoch.Should().BeGreaterThan(first).And.BeLessThan(scene.Store.Mark!.Epoch);
                epochs.Add(lease.Epoch).Should().BeTrue("no number is given twice");
                lease.TryRelease(out _).Should().BeTrue();
            }

            await scene.KillAndOpenAsync();   // before anything was flushed
            scene.Registry.FirstEpoch.Should().BeGreaterThan(epochs.Max());
        }
    }

    [Fact]
    public async Task OpenAsync_LostMark_BeginsWellAboveWhatWasReadAndSaysSo()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        PortEntry entry = await scene.RegisterAsync("a", 20000);
        scene.Store.Lose(fact => fact.IsMark);
        await scene.KillAndOpenAsync();
        scene.Registry.FirstEpoch.Should().BeGreaterThan(entry.Epoch!.Value + (OpenedStore.MarkAhead / 2));
        scene.Registry.Diagnose().Should().ContainSingle(finding => finding.Kind == PortFindingKind.StateUnreadable).Which.Value.Should().Contain("mark");
    }

    [Fact]
    public async Task OpenAsync_UnreadablePart_IsKeptForTheHost()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        scene.Store.Unreadable = "Line 7 is damaged.";
        await scene.KillAndOpenAsync();
        scene.Registry.Diagnose().Should().ContainSingle(finding => finding.Kind == PortFindingKind.StateUnreadable).Which.Value.Should().Be("Line 7 is damaged.");
    }

    [Fact]
    public async Task OpenAsync_StoreThatNeverAnswers_IsATypedErrorAfterOpenTimeout()
    {
        FakeTimeProvider clock = new();
        FakePortStore store = new();
        store.Hold();
        Task<PortRegistry> opening = PortRegistry.OpenAsync(new PortRegistryOptions { OpenTimeout = TimeSpan.FromSeconds(3) }, store, timeProvider: clock);
        clock.Advance(TimeSpan.FromSeconds(4));
        (await opening.RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "00:00:03", "OpenTimeout");
        store.WhenDisposed.IsCompleted.Should().BeTrue();
    }

    [Fact]
    public async Task OpenAsync_MoreOwnersThanAllowed_IsATypedError()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("a", 20000);
        await scene.RegisterAsync("b", 20001);
        scene.Options.MaxOwners = 1;
        (await scene.KillAndOpenAsync().RefusalAsync()).ShouldExplain(PortRefusalReason.TooManyOwners, 1, 2);
    }

    /// <summary>What an opening that is refused has found is not written over.</summary>
    [Fact]
    public async Task OpenAsync_MoreOwnersThanAllowed_WritesNothing()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("a", 20000);
        await scene.AcquireAsync("b");
        PortFact mark = scene.Store.AfterKill().Mark!;
        scene.Options.MaxOwners = 1;
        await scene.KillAndOpenAsync().RefusalAsync();

        scene.Store.AfterKill().Mark!.Epoch.Should().Be(mark.Epoch);
    }

    [Theory]
    [InlineData(PortReuse.Fresh)]
    [InlineData(PortReuse.Prefer)]
    [InlineData(PortReuse.Require)]
    public async Task AcquireAsync_AfterAReboot_TreatsTheStoredPortByThePolicy(PortReuse reuse)
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Reuse = reuse);
        await scene.RegisterAsync("a", 20007);
        await scene.RebootAsync();
        (await scene.AcquireAsync("a")).Port.Should().Match(port => (port == 20007) == (reuse != PortReuse.Fresh));
    }

    [Fact]
    public void Recovery_TenThousandEntriesOfAHundredProcesses_ReadsEachProcessOnce()
    {
        PortFactSet facts = new();
        Guid boot = Guid.NewGuid();
        for (int i = 0; i < 10_000; i++)
        {
            facts.Apply(new PortFact { Owner = $"a{i}", Port = 20_000 + (i / 100), Epoch = i + 1, State = PortState.Bound, ProcessId = 1 + (i / 100), ProcessStart = 7, BootId = boot });
        }

        List<int> looked = [];
        Recovery recovery = Recovery.Of(facts, boot, DateTimeOffset.UnixEpoch, TimeSpan.Zero, process =>
        {
            looked.Add(process.Id);
            return true;
        });
        looked.Should().OnlyHaveUniqueItems().And.HaveCount(100);
        recovery.Bound.Should().HaveCount(10_000);
    }

    private static PortFact Fact(PortEntry entry, StoreScene scene) => scene.Store.Facts.Single(fact => fact.Port == entry.Port);
}
