using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Tests.Programs;

/// <summary>The long poll as bytes: what it is answered with, when, and what a reader that stalls
/// costs.</summary>
public class WaitForChangeTests
{
    private const uint Refused = 1;

    [Fact]
    public async Task WaitForChange_WhenTheTimeIsUp_IsAnsweredWithNoneAndTheRevisionToGoOnFrom()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        byte[] now = await client.ExchangeAsync(Wire.Call(1, Wire.Portmap, PortmapProcedure.WaitForChange, Wire.Words(0xffff_ffff, 0xffff_ffff, 0)));
        long revision = harness.Registry.Snapshot().Revision;
        byte[] expected = Wire.Words(0, (uint)(revision >> 32), (uint)revision, 0);
        now.Should().Equal(Wire.Success(1, expected));
        byte[] soon = await client.ExchangeAsync(Wire.Call(2, Wire.Portmap, PortmapProcedure.WaitForChange, [.. expected.AsSpan(4, 8), .. Wire.Words(20)]));
        soon.Should().Equal(Wire.Success(2, expected));
    }

    /// <summary>Of TCP the kernel does not say whether the caller has closed its end or only says no
    /// more.</summary>
    [Fact]
    public async Task WaitForChange_CallerSaysNoMore_EndsWithoutAnAnswer()
    {
        await using Harness harness = new();
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await client.WriteAsync(Wait(1, harness.Registry.Snapshot().Revision, waitMs: 60_000)).Within();

        client.End();

        await served.Within();
        (await client.ReadAsync(new byte[1]).Within()).Should().Be(0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(long.MaxValue)]
    public async Task WaitForChange_AfterARevisionOfAnotherRun_IsToldToListAgainAtOnce(long revision)
    {
        await using Harness harness = new();
        byte[] reply = await harness.Open().ExchangeAsync(Wait(1, revision, waitMs: 60_000));
        reply.AsSpan(24, 8).ToArray().Should().Equal(Wire.Words(Refused, (uint)PortRefusalReason.RevisionTooOld));
    }

    [Fact]
    public async Task WaitForChange_AfterARevisionThatTheRingHasLost_IsToldToListAgain()
    {
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Ports = PortBlock.Take(20).ToString(), WatchCapacity = 64 });
        await using PortmapClient client = harness.OpenClient();
        (_, long revision) = await client.SnapshotAsync().Within();
        for (int i = 0; i < 65; i++)
        {
            await client.RegisterAsync(new PortClaimRequest($"b{i}", 49200)).Within();
        }

        PairStream reader = harness.Open();
        byte[] tooOld = await reader.ExchangeAsync(Wait(1, revision, waitMs: 60_000));
        tooOld.AsSpan(24, 8).ToArray().Should().Equal(Wire.Words(Refused, (uint)PortRefusalReason.RevisionTooOld));
        byte[] oldest = await reader.ExchangeAsync(Wait(2, revision + 1, waitMs: 60_000));
        oldest.AsSpan(24, 4).ToArray().Should().Equal(Wire.Words(0), "that is what the ring holds still");
    }

    [Fact]
    public async Task WaitForChange_AsManyAsTheLimit_AreAllTakenUpAndOneMoreIsRefusedByType()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxPendingRequests = 2 });
        PairStream client = harness.Open();
        long revision = harness.Registry.Snapshot().Revision;
        await client.WriteAsync((byte[])[.. Wait(1, revision, 60_000), .. Wait(2, revision, 60_000), .. Wait(3, revision, 60_000), .. Wire.Call(4, Wire.Gluster, 0)]).Within();

        byte[] refused = await client.ReadRecordAsync();
        refused.AsSpan(0, 4).ToArray().Should().Equal(Wire.Words(3));
        refused.AsSpan(24, 8).ToArray().Should().Equal(Wire.Words(Refused, (uint)PortRefusalReason.LimitReached));
        (await client.ReadRecordAsync()).Should().Equal(Wire.Success(4), "the connection is read on");
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("PendingLimitReached");

        await using PortmapClient other = harness.OpenClient();
        await other.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        byte[][] answers = [await client.ReadRecordAsync(), await client.ReadRecordAsync()];
        answers.Select(answer => (int)answer[3]).Should().BeEquivalentTo([1, 2]);
        byte[] again = await client.ExchangeAsync(Wait(5, revision, 60_000));
        again.AsSpan(24, 4).ToArray().Should().Equal(Wire.Words(0), "answered ones make room");
    }

    [Fact]
    public async Task WaitForChange_OneThatWasRefused_TakesNoPlace()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxPendingRequests = 2 });
        PairStream client = harness.Open();
        long revision = harness.Registry.Snapshot().Revision;
        await client.WriteAsync((byte[])[.. Wait(1, revision, 60_000), .. Wait(2, revision, 60_000), .. Wait(3, revision, 60_000)]).Within();
        (await client.ReadRecordAsync()).AsSpan(0, 4).ToArray().Should().Equal(Wire.Words(3));
        await using PortmapClient other = harness.OpenClient();
        await other.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        await client.ReadRecordAsync();
        await client.ReadRecordAsync();

        // An answer may be read a moment before its place is free: who is refused asks again.
        revision = harness.Registry.Snapshot().Revision;
        using CancellationTokenSource end = Deadline.Source();
        uint xid = 4;
        for (int waiting = 0; waiting < 2; xid += 2)
        {
            end.Token.ThrowIfCancellationRequested();
            await client.WriteAsync((byte[])[.. Wait(xid, revision, 60_000), .. Wire.Call(xid + 1, Wire.Gluster, 0)]).Within();
            byte[] answer = await client.ReadRecordAsync();
            if (answer.AsSpan(0, 4).SequenceEqual(Wire.Words(xid)))
            {
                answer = await client.ReadRecordAsync();
            }
            else
            {
                waiting++;
            }

            answer.Should().Equal(Wire.Success(xid + 1), "a wait that is taken up is not answered");
        }
    }

    [Fact]
    public async Task WaitForChange_OfARegistryThatIsGone_IsAnsweredWhenTheTimeIsUpAndNotBefore()
    {
        FakeTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(56));
        await using Harness harness = new(timeProvider: time);
        PairStream client = harness.Open();
        long revision = harness.Registry.Snapshot().Revision;
        await harness.Registry.DisposeAsync();

        await client.WriteAsync((byte[])[.. Wait(1, revision, 5_000), .. Wire.Call(2, Wire.Gluster, 0)]).Within();
        (await client.ReadRecordAsync()).Should().Equal(Wire.Success(2));
        Task<byte[]> answer = client.ReadRecordAsync();
        time.Advance(TimeSpan.FromMilliseconds(4_999));
        await client.WriteAsync(Wire.Call(3, Wire.Gluster, 0)).Within();
        (await answer).Should().Equal(Wire.Success(3), "an answer at once would be asked for again at once");
        answer = client.ReadRecordAsync();
        time.Advance(TimeSpan.FromMilliseconds(1));
        (await answer).AsSpan(0, 28).ToArray().Should().Equal(Wire.Success(1, Wire.Words(0)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(500)]
    [InlineData(3_000)]
    public async Task WaitForChange_PageAfterPage_TellsEachChangeOnceAndInOrder(int nameLength)
    {
        // A page is full at 8,192 bytes here, so that it ends after a few changes, or in the middle
        // of many small ones.
        await using Harness harness = new(new PortmapServerOptions { MaxRecordBytes = 16_384 });
        await using PortmapClient writer = harness.OpenClient();
        long first = harness.Registry.Snapshot().Revision;
        string[] owners = [.. Enumerable.Range(0, 400).Select(i => FormattableString.Invariant($"{i}/{new string('x', nameLength)}"))];
        Task writing = Task.Run(async () =>
        {
            foreach (string owner in owners)
            {
                await writer.RegisterAsync(new PortClaimRequest(owner, 49200));
            }
        });

        PairStream reader = harness.Open();
        List<(long Revision, string Owner)> told = [];
        int pages = 0;
        for (long after = first; told.Count < owners.Length; pages++)
        {
            byte[] reply = await reader.ExchangeAsync(Wait(1, after, waitMs: 60_000));
            XdrReader results = new(reply.AsSpan(24).ToArray());
            results.ReadInt32().Should().Be(0);
            long last = results.ReadInt64();
            uint count = results.ReadUInt32();
            count.Should().BePositive("it waits until there is one");
            for (uint i = 0; i < count; i++)
            {
                PortChange change = PortmapXdr.ReadChange(ref results);
                told.Add((change.Revision, change.Entry.Owner));
            }

            results.Remaining.Should().Be(0);
            last.Should().Be(told[^1].Revision, "that is where the next page goes on");
            after = last;
        }

        await writing.Within();
        told.Select(change => change.Revision).Should().Equal(Enumerable.Range(1, owners.Length).Select(i => first + i));
        told.Select(change => change.Owner).Should().Equal(owners);
        pages.Should().BeGreaterThan(nameLength == 1 ? 1 : 10);
        byte[] none = await reader.ExchangeAsync(Wait(2, told[^1].Revision, waitMs: 0));
        none.AsSpan(36, 4).ToArray().Should().Equal(Wire.Words(0));
    }

    [Fact]
    public async Task WaitForChange_OfAReaderThatStalls_HoldsOneAnswerHoweverManyItAskedFor()
    {
        await using Harness harness = new();
        (PairStream client, PairStream server) = harness.OpenBoth();
        await using PortmapClient other = harness.OpenClient();
        string tail = new('x', 1_000);
        long revision = harness.Registry.Snapshot().Revision;
        for (int i = 0; i < 100; i++)
        {
            await other.RegisterAsync(new PortClaimRequest($"{i}/{tail}", 49200)).Within();
        }

        // Each of these answers is a page of some 56 KB, and none is read.
        for (uint xid = 1; xid <= 64; xid++)
        {
            await client.WriteAsync(Wait(xid, revision, 60_000)).Within();
        }

        await server.HeldBack.Within();
        await other.PingAsync().Within();
        server.BytesWritten.Should().BeLessThan(2 * 65_536, "the next answer is made when this one is taken");

        for (int i = 0; i < 64; i++)
        {
            (await client.ReadRecordAsync()).Length.Should().BeInRange(50_000, 65_536);
        }
    }

    private static byte[] Wait(uint xid, long after, uint waitMs) =>
        Wire.Call(xid, Wire.Portmap, PortmapProcedure.WaitForChange, Wire.Words((uint)(after >> 32), (uint)after, waitMs));
}
