using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>What readers of the whole map cost the others: snapshots are counted, and pages are
/// paced.</summary>
public class ListingTests
{
    [Fact]
    public async Task WaitForChange_FromNowOn_TakesNoSnapshot()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        for (uint i = 0; i < 100; i++)
        {
            byte[] reply = await client.ExchangeAsync(Wire.Call(i, Wire.Portmap, PortmapProcedure.WaitForChange, Wire.Words(0xffff_ffff, 0xffff_ffff, 0)));
            reply.AsSpan(24, 4).ToArray().Should().Equal(Wire.Words(0));
        }

        harness.Context.Snapshots.Taken.Should().Be(0);
    }

    [Fact]
    public async Task List_ByManyReadersOfOneRevision_SharesOneSnapshot()
    {
        await using Harness harness = new(timeProvider: new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56)));
        PortmapClient[] readers = [.. Enumerable.Range(0, 4).Select(_ => harness.OpenClient())];
        await readers[0].RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        PortSnapshot held = await harness.Context.Snapshots.TakeAsync(CancellationToken.None).AsTask().Within();   // else it goes when a collection finds nobody reading it
        for (int i = 0; i < 25; i++)
        {
            await Task.WhenAll(readers.Select(reader => reader.SnapshotAsync())).Within();
        }

        harness.Context.Snapshots.Taken.Should().Be(1, "a hundred listings of one revision are one");
        GC.KeepAlive(held);
    }

    [Fact]
    public async Task List_ReadByNobodyAnyMore_IsCollected()
    {
        await using Harness harness = new();
        WeakReference listing = await ListAsync(harness.Context.Snapshots);
        using CancellationTokenSource end = Deadline.Source();
        while (listing.IsAlive && !end.IsCancellationRequested)
        {
            GC.Collect();
            await Task.Yield();
        }

        listing.IsAlive.Should().BeFalse("it is megabytes where the map is large");

        static async Task<WeakReference> ListAsync(SharedSnapshot snapshots) => new(await snapshots.TakeAsync(CancellationToken.None).Within());
    }

    [Fact]
    public async Task List_AfterAChangeOfOnesOwn_ShowsIt()
    {
        await using Harness harness = new();
        PortmapClient[] clients = [.. Enumerable.Range(0, 4).Select(_ => harness.OpenClient())];
        await Task.WhenAll(clients.Select(async (client, number) =>
        {
            for (int i = 0; i < 100; i++)
            {
                string owner = $"{number}/{i}";
                await client.RegisterAsync(new PortClaimRequest(owner, 49200)).Within();
                (await client.SnapshotAsync().Within()).Entries.Should().Contain(entry => entry.Owner == owner);
            }
        }));
    }

    [Fact]
    public async Task List_OfAMapThatTakesLong_IsSharedByAllThatComeMeanwhile()
    {
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Probe = false });
        await using PortSession session = harness.Registry.OpenSession(Environment.ProcessId);
        for (int i = 0; i < 20_000; i++)
        {
            session.TryRegister(new PortClaimRequest($"b{i}", 20_000 + i), out _, out _).Should().BeTrue();
        }

        SharedSnapshot snapshots = harness.Context.Snapshots;
        await snapshots.TakeAsync(CancellationToken.None).Within();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            session.TryRegister(new PortClaimRequest($"b{i}", 40_000 + i), out _, out _).Should().BeTrue();   // a revision more
            PortSnapshot listing = await snapshots.TakeAsync(CancellationToken.None).Within();
            listing.Entries.Length.Should().BeGreaterThanOrEqualTo(20_000);
        }));

        snapshots.Taken.Should().BeLessThan(20, "200 readers came within a few pauses");
    }

    [Fact]
    public async Task List_ByOneConnectionWithoutPause_IsAnsweredLaterAndOthersAreNot()
    {
        FakeTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(56));
        await using Harness harness = new(timeProvider: time);
        await using PortSession session = harness.Registry.OpenSession(Environment.ProcessId);
        for (int i = 0; i < 2_000; i++)
        {
            session.TryRegister(new PortClaimRequest($"b{i}", 49200), out _, out _).Should().BeTrue();
        }

        await using PortmapClient reader = harness.OpenClient(), other = harness.OpenClient();
        for (int i = 0; i < 20; i++)
        {
            await reader.SnapshotAsync().Within();
        }

        Task<PortSnapshot> more = reader.SnapshotAsync();
        await other.SnapshotAsync().Within();
        more.IsCompleted.Should().BeFalse("40,000 entries were read at once");
        using CancellationTokenSource end = Deadline.Source();
        while (!more.IsCompleted && !end.IsCancellationRequested)
        {
            time.Advance(TimeSpan.FromMilliseconds(1));
            await Task.Yield();
        }

        (await more).Entries.Should().HaveCount(2_000);
    }

    [Fact]
    public async Task Listings_MoreReadersOfOneThanAreKept_AllReadItToItsEnd()
    {
        await using Harness harness = await WithPagesAsync();
        List<(PairStream Client, byte[] Next)> readers = [];
        for (int i = 0; i <= Listings.MaxKept; i++)
        {
            readers.Add(await BeginListingAsync(harness));
        }

        foreach (byte[] page in await Task.WhenAll(readers.Select(GoOnAsync)))
        {
            page.AsSpan(24, 4).ToArray().Should().Equal(Wire.Words(0));
        }
    }

    [Fact]
    public async Task Listings_MoreThanAreKept_HaveTheReadersOfTheOldestListAgainAndNobodyElse()
    {
        await using Harness harness = await WithPagesAsync();
        await using PortmapClient writer = harness.OpenClient();
        List<(PairStream Client, byte[] Next)> readers = [await BeginListingAsync(harness)];
        for (int i = 0; i <= Listings.MaxKept; i++)
        {
            readers.Add(await BeginListingAsync(harness));
            await writer.RegisterAsync(new PortClaimRequest($"more{i}", 49200)).Within();   // so that the next is another one
        }

        byte[][] second = await Task.WhenAll(readers.Select(GoOnAsync));
        foreach (byte[] refused in second[..2])
        {
            refused.AsSpan(24, 8).ToArray().Should().Equal(Wire.Words(1, (uint)PortRefusalReason.RevisionTooOld));
            System.Text.Encoding.UTF8.GetString(refused).Should().Contain("keeps 16 for").And.Contain("List again");
        }

        second[2..].Should().OnlyContain(page => page[27] == 0);
    }

    [Fact]
    public void Pace_OfOneConnection_IsEarnedBackWithTime()
    {
        FakeTimeProvider time = new();
        ListingPace pace = default;
        pace.Count(40_000, time);
        pace.Wait(time).Should().Be(TimeSpan.Zero);
        pace.Count(1_000, time);
        pace.Wait(time).Should().Be(TimeSpan.FromMilliseconds(5));
        time.Advance(TimeSpan.FromMilliseconds(5));
        pace.Wait(time).Should().Be(TimeSpan.Zero);
        time.Advance(TimeSpan.FromHours(1));
        pace.Count(40_000, time);
        pace.Wait(time).Should().Be(TimeSpan.Zero);
        pace.Count(200_000, time);
        pace.Wait(time).Should().Be(TimeSpan.FromSeconds(1), "what was not used is not saved up");
    }

    /// <summary>A map of more than one page, by a clock that stands: all that list it between two
    /// changes have one snapshot.</summary>
    private static async Task<Harness> WithPagesAsync()
    {
        Harness harness = new(timeProvider: new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56)));
        PortSession session = harness.Registry.OpenSession(Environment.ProcessId);
        for (int i = 0; i < 100; i++)
        {
            await session.RegisterAsync(new PortClaimRequest($"{i}/{new string('x', 1_000)}", 49200)).Within();
        }

        return harness;
    }

    /// <summary>Reads a first page.</summary>
    /// <returns>What the second one is asked for with.</returns>
    private static async Task<(PairStream Client, byte[] Next)> BeginListingAsync(Harness harness)
    {
        PairStream client = harness.Open();
        byte[] page = await client.ExchangeAsync(Wire.Call(1, Wire.Portmap, PortmapProcedure.List, new byte[12]));
        return (client, [.. page[28..36], .. page[^4..]]);
    }

    private static Task<byte[]> GoOnAsync((PairStream Client, byte[] Next) reader) =>
        reader.Client.ExchangeAsync(Wire.Call(2, Wire.Portmap, PortmapProcedure.List, reader.Next));
}
