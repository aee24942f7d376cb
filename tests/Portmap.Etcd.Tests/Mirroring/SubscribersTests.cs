using Portmap.Etcd.Mirroring;

namespace Portmap.Etcd.Tests.Mirroring;

/// <summary>A reader of changes that does not read holds nobody up, and is told that it fell
/// behind.</summary>
public sealed class SubscribersTests
{
    [Fact]
    public async Task Tell_ReaderIsBehind_EndsAndIsForgottenWhileOthersGoOn()
    {
        Subscribers all = new();
        Subscriber slow = all.Add(Update(0), capacity: 2), other = all.Add(Update(0), capacity: 16);
        for (int revision = 1; revision <= 3; revision++)
        {
            slow.IsBehind.Should().BeFalse();
            all.Tell(Update(revision));
        }

        slow.IsBehind.Should().BeTrue();
        (await RevisionsAsync(slow)).Should().Equal(0, 1, 2);

        all.Tell(Update(4));
        all.End();
        (await RevisionsAsync(other)).Should().Equal(0, 1, 2, 3, 4);
        all.IsEmpty.Should().BeTrue();
    }

    /// <summary>A reader begins while the fleet is disposed.</summary>
    [Fact]
    public async Task Add_AfterTheEnd_EndsAtOnce()
    {
        Subscribers all = new();
        all.End();

        Subscriber late = all.Add(Update(7), capacity: 2);

        (await RevisionsAsync(late)).Should().Equal(7);
        late.IsBehind.Should().BeFalse();
        all.IsEmpty.Should().BeTrue();
    }

    private static FleetUpdate Update(long revision) => new(revision, []);

    /// <summary>What a reader gets until its updates end.</summary>
    private static async Task<List<long>> RevisionsAsync(Subscriber subscriber)
    {
        using CancellationTokenSource limit = Deadline.Source();
        List<long> revisions = [];
        await foreach (FleetUpdate update in subscriber.Updates.ReadAllAsync(limit.Token))
        {
            revisions.Add(update.Revision);
        }

        return revisions;
    }
}
