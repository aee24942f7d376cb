using Microsoft.Extensions.Hosting;

namespace ManagementDaemon.Workers;

/// <summary>The bricks that <c>serve --bricks</c> keeps running.</summary>
internal sealed class KeptBricks(Keeper keeper, DaemonSettings settings) : BackgroundService
{
    public static string OwnerOf(int number) => $"vol1:/bricks/b{number}";

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(Enumerable.Range(1, settings.Bricks).Select(number => KeepAsync(number, stoppingToken)));

    private async Task KeepAsync(int number, CancellationToken stoppingToken)
    {
        await Task.Yield();   // the daemon is ready before they are
        try
        {
            await keeper.KeepAsync(WorkerProgram.Brick, OwnerOf(number), stoppingToken);
        }
        catch (OperationCanceledException)
        {
            // The daemon ends.
        }
        catch (WorkerFailedException)
        {
            // It was logged; the others go on.
        }
    }
}
