namespace Portmap.Tests.Persistence;

/// <summary>A store around another one: says when it has been disposed, and when two of its members
/// were called at a time. A test may hold it back or have it throw, before the other one is
/// called.</summary>
internal sealed class WatchedStore(IPortStore inner) : IPortStore
{
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _calls;

    /// <summary>What comes before each call: "Load", "Append" or "Dispose". It may throw at once,
    /// fail later, or wait.</summary>
    public Func<string, Task> Before { get; set; } = _ => Task.CompletedTask;

    public Task Disposed => _disposed.Task;

    public bool WereTwoAtATime { get; private set; }

    public List<int> Batches { get; } = [];

    public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken) =>
        CallAsync("Load", () => inner.LoadAsync(onFact, onUnreadable, cancellationToken));

    public ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        Batches.Add(batch.Count);
        return CallAsync("Append", () => inner.AppendAsync(batch, cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await CallAsync("Dispose", inner.DisposeAsync);
        }
        finally
        {
            _disposed.TrySetResult();
        }
    }

    private ValueTask CallAsync(string member, Func<ValueTask> call)
    {
        WereTwoAtATime |= Interlocked.Increment(ref _calls) != 1;
        Task before;
        try
        {
            before = Before(member);   // what it throws is thrown by the member itself, not by its task
        }
        catch
        {
            Interlocked.Decrement(ref _calls);
            throw;
        }

        return FinishAsync(before, call);
    }

    private async ValueTask FinishAsync(Task before, Func<ValueTask> call)
    {
        try
        {
            await before;
            await call();
        }
        finally
        {
            Interlocked.Decrement(ref _calls);
        }
    }
}
