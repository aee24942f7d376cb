using System.Collections.Immutable;
using Portmap.Tests.Support;

namespace Portmap.Tests;

public class PortRegistrySnapshotTests
{
    [Fact]
    public async Task Snapshot_EveryState_HoldsThemAll()
    {
        await using Scene scene = new();
        PortLease reserved = scene.Acquire(new PortRequest("reserved") { Previous = 20000, Reuse = PortReuse.Require });
        PortLease open = scene.Acquire(new PortRequest("open") { Strategy = PortRegistryOptions.ProcessBinds });
        scene.Here.Register("bound", 20001);
        scene.Here.Register("shares", 20001);
        scene.Here.Register("udp", 20001, protocol: PortProtocol.Udp);
        scene.Here.Register("gone", 20002);
        scene.Here.Release("gone");
        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("open", 20003) { Epoch = open.Epoch }).Within();

        ImmutableArray<PortEntry> entries = scene.Registry.Snapshot().Entries;

        entries.Select(entry => (entry.Port, entry.Protocol, entry.State)).Should().Equal(
        [
            (0, PortProtocol.Tcp, PortState.Reserved),
            (reserved.Port, PortProtocol.Tcp, PortState.Reserved),
            (20001, PortProtocol.Tcp, PortState.Bound),
            (20001, PortProtocol.Tcp, PortState.Bound),
            (20002, PortProtocol.Tcp, PortState.Cooling),
            (20003, PortProtocol.Tcp, PortState.Foreign),
            (20001, PortProtocol.Udp, PortState.Bound),
        ]);
        entries.Where(entry => entry.State is PortState.Reserved or PortState.Bound).Select(entry => entry.Owner)
            .Should().BeEquivalentTo("reserved", "open", "bound", "shares", "udp");
    }

    [Fact]
    public async Task Snapshot_OwnersOfOnePort_ComeByTheirEpochs()
    {
        await using Scene scene = new(configure: options => options.MaxOwners = 100);
        string[] owners = [.. Enumerable.Range(0, 20).Select(i => $"b{i}")];
        Array.ForEach(owners, owner => scene.Here.Register(owner, 20001));

        ImmutableArray<PortEntry> entries = scene.Registry.Snapshot().Entries;

        entries.Select(entry => entry.Owner).Should().BeEquivalentTo(owners);
        entries.Should().BeInAscendingOrder(entry => entry.Epoch).And.OnlyContain(entry => entry.OwnerCount == 20);
    }

    [Fact]
    public async Task Snapshot_LaterChanges_DoNotReachIt()
    {
        await using Scene scene = new();
        scene.Here.Register("b1", Scene.First);
        (ImmutableArray<PortEntry> before, long revision) = scene.Registry.Snapshot();

        scene.Here.Release("b1");

        before.Should().ContainSingle().Which.State.Should().Be(PortState.Bound);
        long after = scene.Registry.Snapshot().Revision;
        after.Should().Be(revision + 1);
    }

    [Fact]
    public async Task Snapshot_NothingHeld_IsEmptyAndItsRevisionStartsAtTheClock()
    {
        await using Scene scene = new();

        (ImmutableArray<PortEntry> entries, long revision) = scene.Registry.Snapshot();
        entries.Should().BeEmpty();

        // The first change has the number revisions start at, so the empty map is the one before
        // it.
        revision.Should().BeGreaterThanOrEqualTo((scene.Clock.GetUtcNow().ToUnixTimeMilliseconds() << 20) - 1);
    }
}
