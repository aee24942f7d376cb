using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>Who watches is told of every change before the watch ends.</summary>
public sealed class MapReaderTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Fact]
    public async Task WatchAsync_LastChangeAndTheEndComeBetweenAnyTwoLooks_TellsItBeforeItEnds()
    {
        int ends = 0;
        await EachStep.PlayAsync(
            async step =>
            {
                PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20001", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false });
                registry.TryAcquire("a", out PortLease? lease, out _).Should().BeTrue();
                await using IAsyncEnumerator<PortUpdate> updates = registry.WatchAsync(snapshots: false).GetAsyncEnumerator();
                (await updates.MoveNextAsync().AsTask().WaitAsync(Deadline.Default)).Should().BeTrue("it begins with where it is");
                Task<bool> next = step.Interrupt(
                    () => updates.MoveNextAsync().AsTask(),
                    at =>
                    {
                        ends += at == Step.ReadCompleted ? 1 : 0;
                        lease!.TryRelease(out _).Should().BeTrue();
                        registry.Dispose();
                    },
                    counts: at => at is Step.ReadCompleted or Step.ReadChange);
                if (!step.IsReached)
                {
                    lease!.TryRelease(out _).Should().BeTrue();
                    registry.Dispose();
                }

                (await next.WaitAsync(Deadline.Default)).Should().BeTrue("look {0}: the release comes before the end", step.Number);
                updates.Current.Changes.Should().ContainSingle().Which.Kind.Should().Be(PortChangeKind.Released, "look {0}", step.Number);
                (await updates.MoveNextAsync().AsTask().WaitAsync(Deadline.Default)).Should().BeFalse("look {0}", step.Number);
            },
            least: 2);

        ends.Should().BeGreaterThan(0, "else it was not stopped before it asked whether that is all");
    }
}
