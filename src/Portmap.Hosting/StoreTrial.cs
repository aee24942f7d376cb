using System.Runtime.CompilerServices;

namespace Portmap.Hosting;

/// <summary>Whether changes get into the store of a registry: a lease is acquired and released, and
/// both are confirmed.</summary>
/// <remarks>There is one trial of a registry at a time. Checks that come meanwhile wait for it, and
/// one that gives up leaves it to its end: the lease is released even when nobody waits any more.
/// </remarks>
internal sealed class StoreTrial
{
    private const string Owner = "portmap/health";

    private static readonly ConditionalWeakTable<PortRegistry, StoreTrial> s_trials = [];

    private readonly Lock _gate = new();
    private Task _running = Task.CompletedTask;
    private long _earlier;

    /// <summary>Notes the lease of a trial in which the run before was killed, for the next trial to
    /// end. To be called before anybody works with the registry: then an open lease of this owner
    /// is ours.</summary>
    public static void NoteEarlier(PortRegistry registry)
    {
        if (registry.TryGetEntry(Owner, out PortEntry entry) && entry.State == PortState.Reserved)
        {
            Interlocked.Exchange(ref s_trials.GetOrCreateValue(registry)._earlier, entry.Epoch ?? 0);
        }
    }

    /// <exception cref="PortRefusedException">StoreFailed, or the lease is refused for a reason of
    /// its own.</exception>
    public static Task RunAsync(PortRegistry registry) => s_trials.GetOrCreateValue(registry).JoinAsync(registry);

    private Task JoinAsync(PortRegistry registry)
    {
        lock (_gate)
        {
            if (_running.IsCompleted)
            {
                _running = TryAsync(registry);
                _ = _running.ContinueWith(static ended => ended.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);   // seen, also when all have given up
            }

            return _running;
        }
    }

    private async Task TryAsync(PortRegistry registry)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);   // nothing of the registry runs under the lock
        if (Interlocked.Exchange(ref _earlier, 0) is > 0 and long epoch)
        {
            await registry.ReleaseAsync(new PortClaimRequest(Owner) { Epoch = epoch }, CancellationToken.None).ConfigureAwait(false);
        }

        PortLease lease = await registry.AcquireAsync(new PortRequest(Owner) { Strategy = PortRegistryOptions.ProcessBinds }, CancellationToken.None).ConfigureAwait(false);
        await lease.ReleaseAsync(CancellationToken.None).ConfigureAwait(false);
    }
}
