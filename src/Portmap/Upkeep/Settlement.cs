namespace Portmap.Upkeep;

/// <summary>The moment from which on nothing of the run before is in doubt: each Recovered entry
/// has signed in again or ended, or the grace is over.</summary>
/// <remarks>
/// <code>
///   waiting ──► settled     nobody waits any more (a pass sees it), or DisconnectGrace after the opening; the first one counts
///      └──────► disposed    the registry ended first
/// </code>
/// Progress: wait-free; the task completes its awaiters on threads of their own.
/// </remarks>
internal sealed class Settlement : IDisposable
{
    private readonly TaskCompletionSource _source = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ITimer? _timer;

    /// <param name="time">The clock of the host.</param>
    /// <param name="grace">How long Recovered entries have time to sign in again.</param>
    /// <param name="look">Looks at the processes of those that have not, when the time is up: what
    /// is dead ends.</param>
    public Settlement(TimeProvider time, TimeSpan grace, Action look) => _timer = time.CreateTimer(_ => OnTimer(look), null, grace, Timeout.InfiniteTimeSpan);

    private Settlement() => _source.SetResult();

    /// <summary>Of a registry that came from no earlier run.</summary>
    public static Settlement Done { get; } = new();

    public Task Task => _source.Task;

    public bool IsOver => _source.Task.IsCompleted;

    /// <summary>No entry is Recovered any more.</summary>
    public void NobodyWaits()
    {
        _source.TrySetResult();
        _timer?.Dispose();
    }

    public void Dispose()
    {
        _timer?.Dispose();
        if (_source.TrySetException(new ObjectDisposedException(nameof(PortRegistry))))
        {
            _ = _source.Task.Exception;   // nobody has to await it
        }
    }

    private void OnTimer(Action look)
    {
        try
        {
            look();
        }
        finally
        {
            NobodyWaits();
        }
    }
}
