namespace Portmap.Hosting.Tests;

/// <summary>A store that a test holds up and lets fail.</summary>
internal sealed class GatedStore : IPortStore
{
    private readonly TaskCompletionSource _loading = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether writing fails.</summary>
    public volatile bool Fails;

    public Task Loading => _loading.Task;

    public Task Disposed => _disposed.Task;

    public void Open() => _gate.TrySetResult();

    public async ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken)
    {
        _loading.TrySetResult();
        await _gate.Task.WaitAsync(cancellationToken);
    }

    public ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken) =>
        Fails ? throw new IOException("the disk is gone") : ValueTask.CompletedTask;

    public ValueTask DisposeAsync()
    {
        _disposed.TrySetResult();
        return ValueTask.CompletedTask;
    }
}
