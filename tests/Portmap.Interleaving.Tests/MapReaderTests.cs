using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>Who watches is told of every change before the watch ends.</summary>
public sealed class MapReaderTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Fact]
    public async Task WatchAsync_LastChangeAndTheEndComeBetweenAnyTwoLooks_TellsItBeforeItEnds()
    {
        bool isReached = true;
        int ends = 0;
        for (int at = 1; isReached; at++)
        {
            PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20001", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false });
            registry.TryAcquire("a", out PortLease? lease, out _).Should().BeTrue();
            await using IAsyncEnumerator<PortUpdate> updates = registry.WatchAsync(snapshots: false).GetAsyncEnumerator();
            (await updates.MoveNextAsync().AsTask().WaitAsync(Deadline.Default)).Should().BeTrue("it begins with where it is");
            int looks = 0;
            isReached = false;
            Hook.Reached = step =>
            {
                if (step is Step.ReadCompleted or Step.ReadChange && ++looks == at)
                {
                    Hook.Reached = null;
                    isReached = true;
                    ends += step == Step.ReadCompleted ? 1 : 0;
                    lease!.TryRelease(out _).Should().BeTrue();
                    registry.Dispose();
                }
            };
            Task<bool> next = updates.MoveNextAsync().AsTask();
            Hook.Reached = null;
            if (!isReached)
            {
                lease!.TryRelease(out _).Should().BeTrue();
                registry.Dispose();
            }

            (await next.WaitAsync(Deadline.Default)).Should().BeTrue("look {0}: the release comes before the end", at);
            updates.Current.Changes.Should().ContainSingle().Which.Kind.Should().Be(PortChangeKind.Released, "look {0}", at);
            (await updates.MoveNextAsync().AsTask().WaitAsync(Deadline.Default)).Should().BeFalse("look {0}", at);
        }

        ends.Should().BeGreaterThan(0, "else it was not stopped before it asked whether that is all");
    }
}
