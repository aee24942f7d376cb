using System.Diagnostics;
using ManagementDaemon.PortServer;
using Portmap.TestKit.Processes;

namespace Portmap.Testing.Tests;

/// <summary>The ports that the sample's port server picks for a real process, over a disk that
/// hangs.</summary>
public sealed class PickedPortsTests
{
    [NeedsFact("sleep")]
    public async Task Pick_GivenUpWhileTheDiskHangs_GoesBackWithItsProcess()
    {
        FakePortStore store = new();
        await using PortRegistry registry = await PortRegistry.OpenAsync(new PortRegistryOptions { Ports = PortBlock.Take(10).ToString() }, store).Within();
        PickedPorts picked = new(registry);
        await using var process = ChildProcess.Start(new ProcessStartInfo("sleep"), "600");
        using CancellationTokenSource patience = new();
        store.Hold();

        Task<PortLease?> picking = picked.PickAsync(PickingProcess.Find(process.Id)!.Value, patience.Token);
        await store.ArrivedAsync().Within();
        await patience.CancelAsync();
        await FluentActions.Awaiting(() => picking.Within()).Should().ThrowAsync<OperationCanceledException>();
        store.Release();
        await ReservedAsync(registry, isAny: true);

        process.Kill();
        await ReservedAsync(registry, isAny: false);
    }

    /// <summary>Waits until a port is reserved, or until none is.</summary>
    private static async Task ReservedAsync(PortRegistry registry, bool isAny)
    {
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortUpdate update in registry.WatchAsync(cancellationToken: end.Token))
        {
            if (registry.Snapshot().Entries.Any(entry => entry.State == PortState.Reserved) == isAny)
            {
                return;
            }
        }
    }
}
