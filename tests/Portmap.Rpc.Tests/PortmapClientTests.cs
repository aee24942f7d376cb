using System.Collections.Immutable;
using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Calling;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests;

/// <summary>The Portmap program and its client, over connections in memory.</summary>
public class PortmapClientTests
{
    [Fact]
    public async Task Acquire_Register_Lookup_Release_AreTheRegistrysOwn()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        lease.State.Should().Be(PortState.Reserved);
        lease.Port.Should().BePositive();
        (await client.GetEntryAsync("b1").Within()).Should().BeEquivalentTo(new { lease.Port, lease.Epoch, State = PortState.Reserved });

        PortEntry entry = await client.RegisterAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();
        harness.Registry.TryGetEntry("b1", out PortEntry own).Should().BeTrue();
        entry.Should().Be(own);
        (await client.GetEntryAsync("b1").Within()).Should().Be(own);

        await client.ReleaseAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();
        await client.ReleaseAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();
        (await client.GetEntryAsync("b1").Within()).Should().BeNull();
    }

    [Fact]
    public async Task Refusal_OfTheRegistry_IsThrownWholeAtTheClient()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        await using PortmapClient stranger = harness.OpenClient(Harness.Unknown);
        PortSession session = harness.Registry.OpenSession(null, userId: null);
        session.TryRegister(new PortClaimRequest("b1", 49201), out _, out PortRefusal? expected).Should().BeFalse();

        Func<Task> register = () => stranger.RegisterAsync(new PortClaimRequest("b1", 49201)).Within();
        PortRefusal refusal = (await register.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Should().BeEquivalentTo(expected);
        refusal.Holder.Should().Be("b1");
        refusal.HolderProcessId.Should().Be(Environment.ProcessId);
        refusal.HolderEpoch.Should().BePositive();
        await session.DisposeAsync();
    }

    [Fact]
    public async Task Extend_OpenLease_HasTheTimeOfTheRequestAndThenMore()
    {
        Microsoft.Extensions.Time.Testing.FakeTimeProvider clock = new();
        await using Harness harness = new(timeProvider: clock);
        await using PortmapClient client = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync(new PortRequest("b1") { LeaseTimeout = TimeSpan.FromSeconds(5) }).Within();

        DateTimeOffset end = await client.ExtendAsync(new PortClaimRequest("b1") { Epoch = lease.Epoch }, TimeSpan.FromSeconds(30)).Within();
        end.Should().Be(clock.GetUtcNow() + TimeSpan.FromSeconds(30));
        clock.Advance(TimeSpan.FromSeconds(29));
        (await client.GetEntryAsync("b1").Within())!.Value.State.Should().Be(PortState.Reserved);

        foreach (TimeSpan time in (TimeSpan[])[TimeSpan.Zero, TimeSpan.FromTicks(1), TimeSpan.FromSeconds(-1), TimeSpan.MaxValue])
        {
            Func<Task> extend = () => client.ExtendAsync("b1", time).Within();
            (await extend.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.InvalidTime);
        }

        Func<Task> nobodys = () => client.ExtendAsync("b2", TimeSpan.FromSeconds(1)).Within();
        (await nobodys.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.LeaseEnded);
        Func<Task> acquire = () => client.AcquireAsync(new PortRequest("b2") { LeaseTimeout = TimeSpan.FromDays(2) }).Within();
        (await acquire.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.InvalidTime);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\0b")]
    [InlineData(null)]
    public async Task Acquire_OfAnImpossibleOwner_IsInvalidOwner(string? owner)
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        Func<Task> acquire = () => client.AcquireAsync(owner is null ? default : new PortRequest(owner)).Within();
        (await acquire.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.InvalidOwner);
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    public async Task Claim_OfNoOwner_IsInvalidOwnerWhateverIsAskedFor(string? owner)
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortClaimRequest claim = owner is null ? default : new PortClaimRequest(owner);
        Func<Task>[] asks =
        [
            () => client.RegisterAsync(claim with { Port = 49_200 }).Within(),
            () => client.ReportBindFailureAsync(claim with { Port = 49_200 }).Within(),
            () => client.ExtendAsync(claim, TimeSpan.FromSeconds(1)).Within(),
            () => client.ReleaseAsync(claim).Within(),
        ];
        foreach (Func<Task> ask in asks)
        {
            (await ask.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.InvalidOwner);
        }
    }

    [Fact]
    public async Task Acquire_AndBindFailed_TheGateIsOpenWhenTheWorkerIsTold()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();

        PortEntry lease = await client.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        lease.Guarantee.Should().Be(PortGuarantee.Admitting);
        harness.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        entry.Guarantee.Should().Be(PortGuarantee.Admitting);

        (await client.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within()).Guarantee.Should().Be(PortGuarantee.Admitting);
    }

    [Fact]
    public async Task Acquire_WithAGuard_ThrowsBecauseTheWireDoesNotCarryIt()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();

        Func<Task> acquire = () => client.AcquireAsync(new PortRequest("b1") { Guard = PortGuardMode.StepAside }).Within();

        await acquire.Should().ThrowAsync<ArgumentException>().WithMessage("*StepAside*");
    }

    [Fact]
    public async Task Acquire_ForAUser_ThrowsBecauseTheWireDoesNotCarryIt()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();

        Func<Task> acquire = () => client.AcquireAsync(new PortRequest("b1") { UserId = 4_001 }).Within();

        await acquire.Should().ThrowAsync<ArgumentException>().WithMessage("*4001*");
    }

    [Fact]
    public async Task GetEntry_OfAPort_IsWhatTheRegistryKnowsOfIt()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortEntry entry = await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();

        (await client.GetEntryAsync(49200).Within()).Should().Be(entry);
        (await client.GetEntryAsync(49200, PortProtocol.Udp).Within()).Should().BeNull();
        (await client.GetEntryAsync(49201).Within()).Should().BeNull();
        (await client.GetEntryAsync(0).Within()).Should().BeNull();
        (await client.GetEntryAsync(65_536, (PortProtocol)9).Within()).Should().BeNull();

        await client.ReleaseAsync(new PortClaimRequest("b1", 49200) { Epoch = entry.Epoch }).Within();
        (await client.GetEntryAsync(49200).Within())!.Value.State.Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task Register_OfALoneSurrogate_IsInvalidOwnerAndNotAnotherName()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        Func<Task> register = () => client.RegisterAsync(new PortClaimRequest("lone \ud800 surrogate", 49200)).Within();
        (await register.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.InvalidOwner);
        (await client.GetEntryAsync("lone \ud800 surrogate").Within()).Should().BeNull();
    }

    [Theory]
    [InlineData(4_097)]
    [InlineData(8_192)]
    [InlineData(100_000)]
    public async Task Register_OfATooLongOwner_IsInvalidOwnerAndTheConnectionLives(int length)
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        Func<Task> register = () => client.RegisterAsync(new PortClaimRequest(new string('x', length), 49200)).Within();
        (await register.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.InvalidOwner);
        await client.PingAsync().Within();
    }

    [Fact]
    public async Task Owner_OfTheLongestName_CrossesAndComesBack()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        string owner = string.Concat(Enumerable.Repeat("é", 2_048));
        PortEntry entry = await client.RegisterAsync(new PortClaimRequest(owner, 49200)).Within();
        (await client.GetEntryAsync(owner).Within()).Should().Be(entry);
    }

    [Fact]
    public async Task Acquire_OnBothProtocols_IsRegisteredReportedAndReleasedAsBoth()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp, Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        lease.Protocol.Should().Be(PortProtocol.TcpAndUdp);
        PortEntry next = await client.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch, Protocol = PortProtocol.TcpAndUdp }).Within();
        next.Protocol.Should().Be(PortProtocol.TcpAndUdp);
        next.Port.Should().NotBe(lease.Port);
        await client.RegisterAsync(new PortClaimRequest("b1", next.Port) { Epoch = next.Epoch }).Within();
        await client.RegisterAsync(new PortClaimRequest("b1", next.Port) { Epoch = next.Epoch, Protocol = PortProtocol.Udp }).Within();
        (await client.GetEntryAsync("b1", PortProtocol.Udp).Within())!.Value.Port.Should().Be(next.Port);
    }

    [Fact]
    public async Task ReportBindFailure_AgainAndAgain_EndsInAttemptsExhausted()
    {
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Ports = PortBlock.Take(20).ToString(), BindAttempts = 3 });
        await using PortmapClient client = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();
        HashSet<int> tried = [];
        Func<Task> report = async () =>
        {
            while (true)
            {
                tried.Add(lease.Port).Should().BeTrue();
                lease = await client.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();
            }
        };
        (await report.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.AttemptsExhausted);
        tried.Should().HaveCount(3);
    }

    [Fact]
    public async Task List_OfMoreThanOnePage_IsTheSnapshot()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        string tail = new('x', 3_000);
        for (int i = 0; i < 100; i++)
        {
            await client.RegisterAsync(new PortClaimRequest($"{i}/{tail}", 49200)).Within();
        }

        (ImmutableArray<PortEntry> entries, long revision) = await client.SnapshotAsync().Within();
        (ImmutableArray<PortEntry> there, long current) = harness.Registry.Snapshot();
        entries.Should().BeEquivalentTo(there);
        revision.Should().Be(current);
    }

    [Fact]
    public async Task List_PageOfAListingThatIsOver_IsToldToListAgain()
    {
        await using Harness harness = new();
        byte[] reply = await harness.Open().ExchangeAsync(Wire.Call(1, Wire.Portmap, PortmapProcedure.List, Wire.Words(0, 5, 1)));
        reply.AsSpan(24, 8).ToArray().Should().Equal(Wire.Words(1, (uint)PortRefusalReason.RevisionTooOld));
    }

    [Fact]
    public async Task List_DroppedBetweenTwoPages_IsBegunAgain()
    {
        (PairStream mine, PairStream daemon) = PairStream.Create();
        await using PortmapClient client = PortmapClient.Over(mine, PortmapEndpoint.Parse("unix:/in/memory"));
        Task<PortSnapshot> listing = client.SnapshotAsync();

        await AnswerListAsync(daemon, start: 0, Wire.Words(0, 0, 7, 0, 1));
        await AnswerListAsync(daemon, start: 1, s_dropped);
        await AnswerListAsync(daemon, start: 0, Wire.Words(0, 0, 8, 0, 0));

        (await listing.Within()).Revision.Should().Be(8);
    }

    [Fact]
    public async Task List_DroppedEachTime_IsRefusedInTheEnd()
    {
        (PairStream mine, PairStream daemon) = PairStream.Create();
        await using PortmapClient client = PortmapClient.Over(mine, PortmapEndpoint.Parse("unix:/in/memory"));
        Func<Task> listing = () => client.SnapshotAsync().Within();
        Task refused = listing.Should().ThrowAsync<PortRefusedException>();

        for (int i = 0; i < MapCalls.MaxListings; i++)
        {
            await AnswerListAsync(daemon, start: 0, s_dropped);
        }

        await refused;
    }

    [Fact]
    public async Task List_DroppedWhenTheTimeOfACallIsOver_IsRefusedAtOnce()
    {
        FakeTimeProvider time = new();
        (PairStream mine, PairStream daemon) = PairStream.Create();
        await using PortmapClient client = PortmapClient.Over(
            mine, PortmapEndpoint.Parse("unix:/in/memory"), options: new PortmapClientOptions { CallTimeout = TimeSpan.FromSeconds(30), TimeProvider = time });
        Func<Task> listing = () => client.SnapshotAsync().Within();
        Task refused = listing.Should().ThrowAsync<PortRefusedException>();

        await AnswerListAsync(daemon, start: 0, Wire.Words(0, 0, 7, 0, 1), () => time.Advance(TimeSpan.FromSeconds(20)));
        await AnswerListAsync(daemon, start: 1, s_dropped, () => time.Advance(TimeSpan.FromSeconds(20)));

        await refused;
    }

    [Fact]
    public async Task Calls_ManyAtOnce_EachGetItsOwnAnswer()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        Task<PortEntry>[] registering = [.. Enumerable.Range(1, 200).Select(i => client.RegisterAsync(new PortClaimRequest($"b{i}", 40_000 + i)))];
        PortEntry[] entries = await Task.WhenAll(registering).Within();
        entries.Select(entry => entry.Port).Should().Equal(Enumerable.Range(1, 200).Select(i => 40_000 + i));
    }

    [Fact]
    public async Task Call_Cancelled_LeavesTheConnectionUsable()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        using CancellationTokenSource cancelled = new();
        (_, long revision) = await client.SnapshotAsync().Within();
        Task next = MapCalls.WaitForChangeAsync(client.Caller, revision, cancelled.Token);
        await client.PingAsync().Within();
        await cancelled.CancelAsync();
        Func<Task> waiting = () => next.Within();
        await waiting.Should().ThrowAsync<OperationCanceledException>();
        await client.PingAsync().Within();
    }

    [Fact]
    public async Task Call_WhenTheServerEndsTheConnection_FailsNamingTheEndpoint()
    {
        (PairStream mine, PairStream theirs) = PairStream.Create();
        await using PortmapClient client = PortmapClient.Over(mine, PortmapEndpoint.Parse("unix:/in/memory"));
        Task call = client.PingAsync();
        theirs.End();
        Func<Task> waiting = () => call.Within();
        await waiting.Should().ThrowAsync<IOException>().WithMessage("*unix:/in/memory*");
        Func<Task> later = () => client.PingAsync().Within();
        await later.Should().ThrowAsync<IOException>();
        await client.Ended.Within();
    }

    [Theory]
    [InlineData(1, "*Portmap program*")]
    [InlineData(3, "*procedure*")]
    [InlineData(4, "*arguments*")]
    [InlineData(99, "*99*")]
    public async Task Call_AnsweredWithAnotherStatus_IsInvalidData(uint status, string message) =>
        await (await AnsweredAsync(status)).Should().ThrowAsync<InvalidDataException>().WithMessage(message);

    [Fact]
    public async Task Call_ThatTheDaemonFailedIn_IsNoMatterOfItsVersion() =>
        (await (await AnsweredAsync(status: 5)).Should().ThrowAsync<IOException>()).Which.Message.Should().Contain("failed").And.Contain("not known").And.NotContain("version");

    private static async Task<Func<Task>> AnsweredAsync(uint status)
    {
        (PairStream mine, PairStream theirs) = PairStream.Create();
        await using PortmapClient client = PortmapClient.Over(mine, PortmapEndpoint.Parse("unix:/in/memory"));
        Task call = client.PingAsync();
        byte[] asked = await theirs.ReadRecordAsync();
        await theirs.WriteAsync(Wire.Record([.. asked[..4], .. Wire.Words(1, 0, 0, 0, status)])).Within();
        await call.WaitAsync(Deadline.Default).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return () => call.Within();
    }

    /// <summary>The refusal RevisionTooOld, of nobody's entry.</summary>
    private static readonly byte[] s_dropped = [.. Wire.Words(1, (uint)PortRefusalReason.RevisionTooOld), .. Wire.Text("dropped"), .. new byte[28]];

    /// <summary>Answers a call for a page.</summary>
    private static async Task AnswerListAsync(PairStream daemon, uint start, byte[] results, Action? before = null)
    {
        byte[] call = await daemon.ReadRecordAsync();
        call.AsSpan(^4).ToArray().Should().Equal(Wire.Words(start));
        before?.Invoke();
        await daemon.WriteAsync(Wire.Record([.. call[..4], .. Wire.Success(0, results)[4..]])).Within();
    }
}
