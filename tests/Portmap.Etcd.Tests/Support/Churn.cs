namespace Portmap.Etcd.Tests.Support;

/// <summary>Registers, moves and releases owners of a host without pause, until it is
/// stopped.</summary>
internal sealed class Churn : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private int _changes;

    private Churn(Host host, int owners, int seed) => _running = Task.Run(() => RunAsync(host, owners, new Random(seed)));

    public int Changes => Volatile.Read(ref _changes);

    public static Churn Start(Host host, int owners, int seed = 1) => new(host, owners, seed);

    /// <summary>Goes on for so many changes more.</summary>
    public Task MoreAsync(int changes)
    {
        int until = Changes + changes;
        return Seen.UntilAsync(() => Changes >= until);
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running.Within();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task RunAsync(Host host, int owners, Random random)
    {
        using PeriodicTimer pace = new(TimeSpan.FromMilliseconds(1));
        while (!_stop.IsCancellationRequested)
        {
            for (int i = 0; i < 3; i++)
            {
                string owner = Host.Owner(random.Next(owners));
                if (random.Next(3) == 0)
                {
                    host.Session!.TryRelease(owner, out _);
                }
                else
                {
                    host.Session!.TryRegister(new PortClaimRequest(owner, 20_000 + random.Next(10_000)), out _, out _);
                }

                Interlocked.Increment(ref _changes);
            }

            await pace.WaitForNextTickAsync();
        }
    }
}
