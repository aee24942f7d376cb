using Portmap.Etcd.Publishing;

namespace Portmap.Etcd.Tests.Publishing;

/// <summary>What the publisher is told, and takes in batches.</summary>
public class DirtySetTests
{
    private readonly DirtySet _dirty = new(TimeProvider.System);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(11)]
    public void TryTake_InBatches_GivesEachOwnerOnceAndThenNone(int most)
    {
        OwnerKey[] owners = [.. Enumerable.Range(0, 10).Select(i => new OwnerKey($"b{i}", PortProtocol.Tcp))];
        foreach (OwnerKey owner in owners)
        {
            _dirty.Add(owner);
        }

        List<OwnerKey> all = [], batch = [];
        do
        {
            batch.Clear();
            _dirty.TryTake(most, batch).Should().BeTrue();
            batch.Should().HaveCountLessThanOrEqualTo(most);
            _dirty.Count.Should().Be(owners.Length - all.Count, "what is under way counts until the next batch is taken");
            all.AddRange(batch);
        }
        while (batch.Count != 0 && all.Count <= owners.Length);

        all.Should().BeEquivalentTo(owners);
        _dirty.IsEmpty.Should().BeTrue();
    }
}
