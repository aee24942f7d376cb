using System.Diagnostics;
using System.Threading.Channels;
using Portmap;
using Portmap.Testing;

namespace Examples;

/// <summary>A supervisor: starts a program for each owner, and again when it has died.</summary>
public sealed class Keeper(PortRegistry registry, Action<ProcessStartInfo> start)
{
    public async Task StartAsync(string owner)
    {
        PortLease lease = await registry.AcquireAsync(owner);
        ProcessStartInfo program = new("/usr/lib/keeper/worker");
        lease.PrepareStart(program);
        start(program);   // in the daemon: program => Process.Start(program)
        await lease.WhenBound;
    }

    public async Task RestartAsync(CancellationToken stop)
    {
        await foreach (PortUpdate update in registry.WatchAsync(cancellationToken: stop))
        {
            foreach (PortChange change in update.Changes.Where(change => change.Kind == PortChangeKind.Died))
            {
                await StartAsync(change.Entry.Owner);
            }
        }
    }
}

/// <summary>Its tests: no socket, no process, no waiting.</summary>
public sealed class KeeperTests
{
    [Fact]
    public async Task Worker_Dies_AnotherOneIsStarted()
    {
        await using PortTestWorld world = new(options => options.Ports = "50000-50009");
        Channel<FakeWorker> started = Channel.CreateUnbounded<FakeWorker>();
        Keeper keeper = new(world.Registry, program => started.Writer.TryWrite(world.StartWorker(program)));
        Task restarting = keeper.RestartAsync(CancellationToken.None);
        Task starting = keeper.StartAsync("web");
        FakeWorker first = await started.Reader.ReadAsync();
        await first.SignInAsync();
        await starting;

        first.Process.Kill();
        FakeWorker second = await started.Reader.ReadAsync();
        await second.SignInAsync();

        Assert.Equal(second.Port, world.PortOf("web"));
        Assert.False(restarting.IsCompleted);
    }

    [Fact]
    public async Task Worker_NeverSignsIn_TimesOut()
    {
        await using PortTestWorld world = new(options => options.LeaseTimeout = TimeSpan.FromSeconds(30));
        Task starting = new Keeper(world.Registry, _ => { }).StartAsync("web");

        world.Clock.Advance(TimeSpan.FromSeconds(31));

        PortRefusedException refused = await Assert.ThrowsAsync<PortRefusedException>(() => starting);
        Assert.Equal(PortRefusalReason.LeaseEnded, refused.Refusal.Reason);
    }
}
