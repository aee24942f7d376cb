namespace Portmap.Tests.Persistence;

/// <summary>Who waits for a fact that the turn under way writes, and nothing comes after it, is
/// woken all the same.</summary>
public sealed class LastTurnTests
{
    [Fact]
    public async Task AcquireAsync_NothingIsWrittenAfterTheEndItWaitsFor_IsGivenAllTheSame()
    {
        TurnByTurn store = new();
        PortRegistryOptions options = new()
        {
            Ports = "20000-20001",
            Strategy = PortRegistryOptions.AllocatorPicks,
            Probe = false,
            ReuseDelay = TimeSpan.Zero,
        };
        await using PortRegistry registry = await PortRegistry.OpenOnAsync(options, store, Guid.NewGuid(), logger: null, new FakeTimeProvider(), CancellationToken.None).Within();
        PortLease lease = await registry.AcquireAsync("a").AsTask().Within();
        store.Hold();
        Task<PortLease> first = registry.AcquireAsync("other").AsTask();
        TaskCompletionSource turn = await store.Turns.Reader.ReadAsync().AsTask().Within();
        Task released = lease.ReleaseAsync().AsTask();   // into the turn after that one, which uses up the note that there is more
        turn.SetResult();
        await first.Within();
        turn = await store.Turns.Reader.ReadAsync().AsTask().Within();
        Task<PortLease> acquiring = registry.AcquireAsync(new PortRequest("b") { Previous = lease.Port, Reuse = PortReuse.Require }).AsTask();
        acquiring.IsCompleted.Should().BeFalse("the end is on its way");

        store.Release();
        turn.SetResult();

        (await acquiring.Within()).Port.Should().Be(lease.Port);
        await released.Within();
    }
}
