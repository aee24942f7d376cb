using System.Buffers;
using System.Text;
using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>Several ports in one ask on a registry that keeps its state: one write holds all, and
/// whatever happens all are open or none is.</summary>
public sealed class AcquireAllStoreTests
{
    private static readonly PortRequest[] s_three = ["a", new("b") { Protocol = PortProtocol.TcpAndUdp }, "c"];

    [Fact]
    public async Task AcquireAllAsync_NotOnDisk_ShowsNothingAndWaitsOnce()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        long revision = scene.Registry.Snapshot().Revision;
        scene.Store.Hold();
        Task<IReadOnlyList<PortLease>> acquiring = scene.Registry.AcquireAllAsync(s_three, contiguous: true).AsTask();
        await scene.Store.ArrivedAsync().Within();

        acquiring.IsCompleted.Should().BeFalse();
        scene.Registry.Snapshot().Should().BeEquivalentTo(new { Entries = Array.Empty<PortEntry>(), Revision = revision });
        Task<PortLease> rival = scene.Registry.AcquireAsync("b").AsTask();

        scene.Store.Release();
        IReadOnlyList<PortLease> leases = await acquiring.Within();
        (await rival.RefusalAsync()).Reason.Should().Be(PortRefusalReason.AlreadyReserved);
        PortFact[] facts = [.. scene.Store.Batches.Single(batch => batch.Any(fact => fact.Owner == "a")).Where(fact => !fact.IsMark)];
        facts.Select(fact => (fact.Owner, fact.Port)).Should().Equal(
            ("a", leases[0].Port), ("b", leases[1].Port), ("b", leases[1].Port), ("c", leases[2].Port));
        facts.Select(fact => fact.Group).Distinct().Should().ContainSingle().Which.Should().NotBe(0);
        scene.Registry.AssertInvariants();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AcquireAllAsync_WriteFails_TakesAllBack(bool durableAllTheSame)
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        long revision = scene.Registry.Snapshot().Revision;
        scene.Store.Fail(writesAllTheSame: durableAllTheSame);

        (await scene.Registry.AcquireAllAsync(s_three).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);

        PortSnapshot after = scene.Registry.Snapshot();
        after.Revision.Should().Be(revision, "nobody was told of a lease");
        after.Entries.Should().OnlyContain(entry => entry.State == PortState.Cooling, "until it is on disk that they are over, the ports are nobody's");
        scene.Store.Heal();
        await scene.Registry.FlushAsync().Within();
        scene.Registry.Snapshot().Entries.Should().BeEmpty("then nothing cools");
        scene.Store.Facts.Should().NotContain(fact => fact.State == PortState.Reserved, "the ends are written before anything newer");
        IReadOnlyList<PortLease> leases = await scene.Registry.AcquireAllAsync([.. Enumerable.Range(0, 10).Select(i => new PortRequest($"n{i}"))], contiguous: true).AsTask().Within();
        leases.Should().HaveCount(10, "every port came back");
        scene.Registry.AssertInvariants();

        await scene.KillAndOpenAsync();
        scene.Registry.Snapshot().Entries.Should().OnlyContain(entry => entry.Owner.StartsWith('n')).And.HaveCount(10);
    }

    [Fact]
    public async Task AcquireAllAsync_Background_ComesBackWhole()
    {
        await using StoreScene scene = await StoreScene.OpenAsync(options => options.Durability = PortDurability.Background);
        scene.Registry.TryAcquireAll(s_three, contiguous: false, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue();
        await scene.Registry.FlushAsync().Within();

        await scene.KillAndOpenAsync();

        scene.Registry.Snapshot().Entries.Select(entry => (entry.Owner, entry.State, entry.Epoch)).Should().BeEquivalentTo(
            new[] { leases![0], leases[1], leases[1], leases[2] }.Select(lease => (lease.Owner, PortState.Reserved, (long?)lease.Epoch)));
    }

    [Fact]
    public async Task AcquireAllAsync_RegistryIsDisposedMeanwhile_LeavesNothing()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        scene.Store.Hold();
        Task<IReadOnlyList<PortLease>> acquiring = scene.Registry.AcquireAllAsync(s_three).AsTask();
        await scene.Store.ArrivedAsync().Within();
        Task disposing = scene.Registry.DisposeAsync().AsTask();
        scene.Store.Release();

        await disposing.Within();
        Func<Task> act = () => acquiring.Within();
        await act.Should().ThrowAsync<ObjectDisposedException>();
        scene.Store.Facts.Should().NotContain(fact => fact.State == PortState.Reserved);
    }

    [Fact]
    public void FileCutAtEveryByte_FactsOfAGroup_AreAllThereOrNone()
    {
        PortFact before = Fact("before", 1, 0);
        PortFact[] group = [Fact("a b\t#", 2, 16), Fact("c", 3, 16), Fact("d", 4, 16)];
        ArrayBufferWriter<byte> file = new();
        file.Write(FactLine.Header);
        FactBlock.Encode([before, .. group, Fact("after", 5, 0)], file);
        byte[] bytes = file.WrittenSpan.ToArray();
        Encoding.UTF8.GetString(bytes).Count(c => c == '\n').Should().Be(4, "header, before, the group, after");

        for (int length = 0; length <= bytes.Length; length++)
        {
            PortFactSet facts = new();
            using CutFile cut = new(bytes[..length]);
            StateScan.Read(cut, facts, CancellationToken.None);
            string[] owners = [.. facts.Claims.Select(fact => fact.Owner).Intersect(group.Select(fact => fact.Owner))];
            owners.Length.Should().BeOneOf([0, 3], "{0} of {1} bytes are left", length, bytes.Length);
        }
    }

    [Fact]
    public void Encode_GroupLongerThanALine_TakesSeveral()
    {
        ArrayBufferWriter<byte> lines = new();
        FactBlock.Encode([.. Enumerable.Range(1, 40).Select(i => Fact(new string('x', 4_000) + i, i, 16))], lines);
        Encoding.UTF8.GetString(lines.WrittenSpan).Count(c => c == '\n').Should().Be(40);
    }

    private static PortFact Fact(string owner, int port, long group) => new()
    {
        Owner = owner,
        Port = port,
        Epoch = 16 * port,
        State = PortState.Reserved,
        Group = group,
        Strategy = "AllocatorPicks",
    };

    private sealed class CutFile(byte[] bytes) : IStateFile
    {
        public long Length => bytes.Length;

        public int Read(Span<byte> buffer, long offset)
        {
            int length = Math.Min(buffer.Length, bytes.Length - (int)offset);
            bytes.AsSpan((int)offset, length).CopyTo(buffer);
            return length;
        }

        public void Write(ReadOnlySpan<byte> bytes, long offset) => throw new NotSupportedException();

        public void Truncate(long length) => throw new NotSupportedException();

        public void Sync() => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}
