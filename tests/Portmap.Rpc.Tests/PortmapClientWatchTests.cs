using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Calling;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests;

/// <summary>What <see cref="PortmapClient.WatchAsync"/> promises: a map that can be mirrored,
/// across slow readers and restarts of the daemon.</summary>
public sealed class PortmapClientWatchTests
{
    [Fact]
    public async Task Watch_FromTheStart_YieldsAllThereIsAndThenEachChange()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await client.RegisterAsync(new PortClaimRequest("before", 49200)).Within();
        await using Reader reader = new(client);

        PortUpdate first = await reader.NextAsync();
        first.Changes.Should().BeEmpty();
        first.Snapshot!.Entries.Should().ContainSingle().Which.Owner.Should().Be("before");

        PortEntry after = await client.RegisterAsync(new PortClaimRequest("after", 49201)).Within();
        PortUpdate second = await reader.NextAsync();
        second.Snapshot.Should().BeNull();
        second.Revision.Should().Be(first.Revision + 1);
        second.Changes.Should().Equal(new PortChange(second.Revision, PortChangeKind.Registered, after));
    }

    [Fact]
    public async Task Watch_WhileACallOfItsClientIsStuck_GoesOn()
    {
        await using Harness harness = new();
        PortmapEndpoint endpoint = PortmapEndpoint.Parse("unix:/in/memory");
        (PairStream ours, PairStream theirs) = PairStream.Create();
        await using PairStream deaf = theirs;
        await using PortmapClient client = PortmapClient.Over(
            ours, endpoint, _ => Task.FromResult(new RpcCaller(harness.Open(), endpoint, new PortmapClientOptions())), new PortmapClientOptions { CallTimeout = TimeSpan.FromMilliseconds(300) });
        await using Reader reader = new(client);
        (await reader.NextAsync()).Snapshot.Should().NotBeNull();
        List<Task<PortEntry?>> calls = [];
        while (!ours.HeldBack.IsCompleted)
        {
            calls.Add(client.GetEntryAsync(new string('x', 4_000)));
        }

        await client.Ended.Within();   // what was written was not taken in time
        harness.Registry.OpenSession(Environment.ProcessId).TryRegister(new PortClaimRequest("b1", 49200), out PortEntry entry, out _).Should().BeTrue();

        (await reader.NextAsync()).Changes.Should().ContainSingle().Which.Entry.Should().Be(entry);
        await Task.WhenAll(calls.Select(call => ((Func<Task>)(() => call.Within())).Should().ThrowAsync<IOException>()));
    }

    [Fact]
    public async Task Watch_FromAListing_MissesNothing()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        (_, long revision) = await client.SnapshotAsync().Within();
        for (int i = 0; i < 300; i++)
        {
            await client.RegisterAsync(new PortClaimRequest($"b{i}", 49200)).Within();
        }

        await using Reader reader = new(client, revision);
        List<PortChange> changes = [];
        while (changes.Count < 300)
        {
            PortUpdate update = await reader.NextAsync();
            update.Snapshot.Should().BeNull();
            update.Revision.Should().Be(update.Changes[^1].Revision);
            changes.AddRange(update.Changes);
        }

        changes.Select(change => change.Entry.Owner).Should().Equal(Enumerable.Range(0, 300).Select(i => $"b{i}"));
        changes.Select(change => change.Revision).Should().Equal(Enumerable.Range(1, 300).Select(i => revision + i));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(long.MaxValue)]
    public async Task Watch_FromARevisionOfAnotherRun_BeginsWithASnapshot(long revision)
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        await using Reader reader = new(client, revision);
        (await reader.NextAsync()).Snapshot!.Entries.Should().ContainSingle().Which.Owner.Should().Be("b1");
    }

    [Fact]
    public async Task Watch_ReaderThatFallsBehindWhatIsKept_GoesOnWithASnapshotThatHoldsAll()
    {
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Ports = PortBlock.Take(20).ToString(), WatchCapacity = 64 });
        await using PortmapClient client = harness.OpenClient();
        await using Reader reader = new(client);
        await reader.NextAsync();
        Task<PortUpdate> waiting = reader.NextAsync();
        for (int i = 0; i < 1_000; i++)
        {
            await client.RegisterAsync(new PortClaimRequest($"b{i}", 49200)).Within();
        }

        // One answer was on its way when the reader stopped; what came after it is more than the
        // ring holds.
        PortUpdate update = await waiting;
        long last = update.Changes is [{ } earliest, ..] ? earliest.Revision - 1 : 0;
        while (update.Snapshot is null)
        {
            foreach (PortChange change in update.Changes)
            {
                change.Revision.Should().Be(++last, "there is no gap that is not told");
            }

            update = await reader.NextAsync();
        }

        update.Snapshot!.Entries.Should().HaveCount(1_000);
    }

    [Fact]
    public async Task Watch_Cancelled_EndsAndLeavesNoConnection()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        Reader reader = new(client);
        await reader.NextAsync();
        harness.Connections.Count.Should().Be(2);
        Task<PortUpdate> next = reader.NextAsync();
        await reader.CancelAsync();
        Func<Task> waiting = () => next;
        await waiting.Should().ThrowAsync<OperationCanceledException>();
        await reader.DisposeAsync();
        await harness.LastServed.Within();
        harness.Connections.Count.Should().Be(1);
        await client.PingAsync().Within();
    }

    [Fact]
    public async Task Watch_DisposedWhileItWaits_EndsTheWaitAndLeavesNoConnection()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        Reader reader = new(client);
        await reader.NextAsync();
        harness.Connections.Count.Should().Be(2);
        Task<bool> next = reader.MoveNextAsync();
        await reader.DisposeAsync();
        (await next).Should().BeFalse();
        await harness.LastServed.Within();
        harness.Connections.Count.Should().Be(1);
        await client.PingAsync().Within();
    }

    [Fact]
    public async Task Watch_WithoutSnapshots_TellsWhereItBeginsAndThenChangesAndGaps()
    {
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Ports = PortBlock.Take(20).ToString(), WatchCapacity = 64 });
        await using PortmapClient client = harness.OpenClient();
        await client.RegisterAsync(new PortClaimRequest("before", 49200)).Within();
        long revision = harness.Registry.Snapshot().Revision;
        await using Reader reader = new(client, snapshots: false), late = new(client, revision, snapshots: false);

        PortUpdate begin = await reader.NextAsync();
        (begin.Revision, begin.Snapshot, begin.Changes.Length).Should().Be((revision, null, 0));
        await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        (await reader.NextAsync()).Changes.Should().ContainSingle().Which.Entry.Owner.Should().Be("b1");
        for (int i = 0; i < 64; i++)
        {
            await client.RegisterAsync(new PortClaimRequest($"later{i}", 49200)).Within();
        }

        PortUpdate gap = await late.NextAsync();
        (gap.Revision, gap.Snapshot, gap.Changes.Length).Should().Be((revision + 65, null, 0));
    }

    [Fact]
    public async Task Watch_PollThatEndsWithNothing_TellsNothingAndAsksAgain()
    {
        FakeTimeProvider clock = new();
        await using Harness harness = new(timeProvider: clock);
        await using PortmapClient client = harness.OpenClient();
        await using Reader reader = new(client);
        await reader.NextAsync();
        long before = harness.BytesRead;
        Task<PortUpdate> next = reader.NextAsync();
        await PolledAsync(harness, client, before, polls: 3, next, () => clock.Advance(TimeSpan.FromSeconds(10)));   // as long as a poll waits

        PortEntry entry = await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();

        (await next).Changes.Should().ContainSingle().Which.Entry.Should().Be(entry);
    }

    [Fact]
    public async Task Watch_PollThatTakesLongerThanACallMay_GoesOnOverItsConnection()
    {
        await using Harness harness = new();
        FakeTimeProvider clock = new();
        PortmapClientOptions options = new() { CallTimeout = TimeSpan.FromSeconds(1), TimeProvider = clock };
        PortmapEndpoint endpoint = PortmapEndpoint.Parse("unix:/in/memory");
        int connections = 0;
        await using PortmapClient client = PortmapClient.Over(
            harness.Open(),
            endpoint,
            _ =>
            {
                connections++;
                return Task.FromResult(new RpcCaller(harness.Open(), endpoint, options));
            },
            options);
        await using Reader reader = new(client);
        await reader.NextAsync();
        long before = harness.BytesRead;
        Task<PortUpdate> next = reader.NextAsync();
        await PolledAsync(harness, client, before, polls: 1, next);

        clock.Advance(TimeSpan.FromSeconds(5));

        PortEntry entry = await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        (await next).Changes.Should().ContainSingle().Which.Entry.Should().Be(entry);
        connections.Should().Be(1, "the daemon may take its ten seconds");
    }

    [Fact]
    public async Task Watch_AfterTheOptionsWereChanged_ConnectsAsTheyWereWhenItsClientConnected()
    {
        using TempFolder folder = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { "unix:" + folder["portmap.sock"] } });
        await server.StartAsync().Within();
        PortmapClientOptions options = new();
        await using PortmapClient client = await PortmapClient.ConnectAsync(server.Endpoints[0], options).Within();

        (options.ConnectTimeout, options.CallTimeout) = (TimeSpan.FromSeconds(-5), TimeSpan.FromSeconds(-5));

        await using Reader reader = new(client);
        (await reader.NextAsync()).Snapshot.Should().NotBeNull();
    }

    [Fact]
    public async Task Watch_OfAClientThatIsDisposed_EndsQuietly()
    {
        await using Harness harness = new();
        PortmapClient client = harness.OpenClient();
        await using Reader reader = new(client);
        await reader.NextAsync();
        Task<bool> more = reader.MoveNextAsync();
        await client.DisposeAsync();
        (await more).Should().BeFalse();
    }

    [Fact]
    public async Task Watch_DaemonRestarts_GoesOnWithASnapshotOfTheNewOne()
    {
        using TempFolder folder = new();
        PortmapServerOptions options = new() { Endpoints = { $"unix:{folder["d.sock"]}" } };
        PortmapEndpoint endpoint = PortmapEndpoint.Parse(options.Endpoints[0]);
        await using PortRegistry first = new(new PortRegistryOptions());

        // Started later, as every restarted daemon is: its revisions begin with the clock.
        await using PortRegistry second = new(new PortRegistryOptions(), timeProvider: new FakeTimeProvider(DateTimeOffset.UtcNow.AddSeconds(1)));
        await using PortSession session = first.OpenSession(Environment.ProcessId), again = second.OpenSession(Environment.ProcessId);
        await session.RegisterAsync(new PortClaimRequest("b1", 49200));
        PortmapServer daemon = new(first, options);
        await daemon.StartAsync().Within();
        await using PortmapClient client = await PortmapClient.ConnectAsync(endpoint).Within();
        await using Reader reader = new(client);
        (await reader.NextAsync()).Snapshot!.Entries.Should().ContainSingle().Which.Owner.Should().Be("b1");
        Task<PortUpdate> next = reader.NextAsync();

        await daemon.DisposeAsync().AsTask().Within();
        await again.RegisterAsync(new PortClaimRequest("b2", 49201));
        await using PortmapServer successor = new(second, options);
        await successor.StartAsync().Within();

        (await next).Snapshot!.Entries.Should().ContainSingle().Which.Owner.Should().Be("b2");
        await again.RegisterAsync(new PortClaimRequest("b3", 49202));
        (await reader.NextAsync()).Changes.Should().ContainSingle().Which.Entry.Owner.Should().Be("b3");
    }

    [Fact]
    public async Task Watch_OfARegistryThatIsGone_DoesNotAskAgainAndAgain()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await using Reader reader = new(client);
        await reader.NextAsync();
        Task<bool> next = reader.MoveNextAsync();
        await harness.Registry.DisposeAsync();
        await client.PingAsync().Within();
        long before = harness.BytesRead;
        for (int i = 0; i < 100; i++)
        {
            await client.PingAsync().Within();
        }

        (harness.BytesRead - before).Should().BeLessThanOrEqualTo((100 * 44) + 56, "pings are all that was said, and one poll that may have been on its way");
        next.IsCompleted.Should().BeFalse();
    }

    [Fact]
    public async Task Watch_OfADaemonThatLetsNobodyWait_DoesNotAskAgainAndAgain()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxWait = TimeSpan.Zero });
        await using PortmapClient client = harness.OpenClient();
        await using Reader reader = new(client);
        await reader.NextAsync();
        Task<bool> next = reader.MoveNextAsync();
        long before = harness.BytesRead;
        for (int i = 0; i < 200; i++)
        {
            await client.PingAsync().Within();
        }

        (harness.BytesRead - before).Should().BeLessThanOrEqualTo((200 * 44) + (20 * 56), "it rests between its polls");
        await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        (await next).Should().BeTrue("a change is told all the same");
    }

    /// <summary>Returns when the daemon has read so many polls since, or the watch has
    /// answered.</summary>
    private static async Task PolledAsync(Harness harness, PortmapClient client, long before, int polls, Task next, Action? between = null)
    {
        const int PingBytes = 44, PollBytes = 56;
        for (int pings = 0; !next.IsCompleted && harness.BytesRead - before < (pings * PingBytes) + (polls * PollBytes); pings++)
        {
            between?.Invoke();
            await client.PingAsync().Within();
        }
    }

    /// <summary>Takes one step after the other, each within the deadline.</summary>
    private sealed class Reader : IAsyncDisposable
    {
        private readonly CancellationTokenSource _end = new();
        private readonly IAsyncEnumerator<PortUpdate> _updates;

        public Reader(PortmapClient client, long? afterRevision = null, bool snapshots = true) =>
            _updates = client.WatchAsync(afterRevision, snapshots, _end.Token).GetAsyncEnumerator(CancellationToken.None);

        public Task<bool> MoveNextAsync() => _updates.MoveNextAsync().Within();

        public async Task<PortUpdate> NextAsync()
        {
            (await MoveNextAsync()).Should().BeTrue();
            return _updates.Current;
        }

        public Task CancelAsync() => _end.CancelAsync();

        public async ValueTask DisposeAsync()
        {
            await _updates.DisposeAsync().AsTask().Within();   // also while it waits
            _end.Dispose();
        }
    }
}
