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

    private static async Task TryAsync(PortRegistry registry)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);   // nothing of the registry runs under the lock
        PortLease lease = await registry.AcquireAsync(new PortRequest(Owner) { Strategy = PortRegistryOptions.ProcessBinds }, CancellationToken.None).ConfigureAwait(false);
        await lease.ReleaseAsync(CancellationToken.None).ConfigureAwait(false);
    }
}
