namespace Portmap.Etcd.Connecting;

/// <summary>Wakes one waiting loop. Any number of settings before the loop waits are one.</summary>
/// <remarks>The loop looks at what it waits for after each wait, so that a setting while it wakes
/// is not lost.</remarks>
internal sealed class WakeUp(TimeProvider time)
{
    private TaskCompletionSource _set = New();

    public void Set() => Volatile.Read(ref _set).TrySetResult();

    /// <summary>Waits until it is set, or the time is over.</summary>
    /// <returns>Whether it was set.</returns>
    public async Task<bool> WaitAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await _set.Task.WaitAsync(limit > TimeSpan.Zero ? limit : TimeSpan.Zero, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return false;
        }

        // Before the loop looks: what is set from now on wakes it again.
        Volatile.Write(ref _set, New());
        return true;
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
