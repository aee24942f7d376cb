using System.Diagnostics;
using ManagementDaemon.PortServer;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Portmap;

namespace ManagementDaemon.Workers;

/// <summary>Keeps a worker running: starts it again when it dies, later each time, and gives up
/// when that does not help. A worker that lives already, started by an earlier daemon, is left
/// alone and looked after from then on.</summary>
internal sealed class Keeper(PortRegistry registry, Supervisor supervisor, IConfiguration configuration, ILogger<Keeper> logger)
{
    /// <summary>How often in a row a worker may die, or not listen in time, before it has served for
    /// <see cref="_settled"/>.</summary>
    public const int MostDeaths = 5;

    private static readonly TimeSpan s_firstWait = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_untilDeathIsKnown = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_untilLeaseIsOver = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_untilNextLook = TimeSpan.FromMilliseconds(50);

    /// <summary>Keeper__Settled=00:00:10 in the environment.</summary>
    private readonly TimeSpan _settled = configuration.GetValue("Keeper:Settled", TimeSpan.FromSeconds(10));

    /// <summary>Keeps one until it is cancelled, and ends it then.</summary>
    /// <exception cref="WorkerFailedException">It died too often.</exception>
    public async Task KeepAsync(string program, PortRequest request, CancellationToken cancellationToken)
    {
        int deaths = 0;
        while (true)
        {
            long? serves = null;
            string end;
            try
            {
                using Process worker = await FindOrStartAsync(program, request, cancellationToken);
                serves = Stopwatch.GetTimestamp();   // the wait for it, which may be long, is none of its life
                await WaitOrEndAsync(worker, cancellationToken);
                end = "it died";
            }
            catch (WorkerFailedException e)
            {
                end = e.Message;
            }

            deaths = serves is { } since && Stopwatch.GetElapsedTime(since) >= _settled ? 1 : deaths + 1;
            if (deaths >= MostDeaths)
            {
                Log.GivenUp(logger, program, request.Owner, MostDeaths, end);
                throw new WorkerFailedException($"{program} for {request.Owner} was started {MostDeaths} times in vain: {end}");
            }

            TimeSpan wait = TimeSpan.FromTicks(Math.Min(s_firstWait.Ticks << (deaths - 1), s_longestWait.Ticks));
            Log.StartsAgain(logger, program, request.Owner, wait.TotalMilliseconds, end);
            await Task.Delay(wait, cancellationToken);
        }
    }

    private async Task<Process> FindOrStartAsync(string program, PortRequest request, CancellationToken cancellationToken)
    {
        bool hasWaited = false;
        while (true)
        {
            try
            {
                PortLease lease = await registry.AcquireAsync(request with { UnlessServed = true }, cancellationToken);
                Worker worker = await supervisor.LaunchAsync(program, lease, cancellationToken);
                return worker.Process;
            }
            catch (PortRefusedException refused) when (refused.Refusal.Entry is { ProcessId: { } processId })
            {
                // It serves, or it did under the daemon before this one and signs in by itself.
                if (TryFind(processId) is { } living)
                {
                    Log.Adopted(logger, program, request.Owner, processId);
                    return living;
                }

                await Task.Delay(s_untilDeathIsKnown, cancellationToken);
            }
            catch (PortRefusedException refused) when (refused.Refusal.Reason == PortRefusalReason.AlreadyReserved)
            {
                // Of the daemon before this one: its worker signs in, or it runs out. Nobody has
                // died.
                if (!hasWaited)
                {
                    hasWaited = true;
                    Log.WaitsForLease(logger, program, request.Owner, refused.Message);
                }

                await Task.Delay(s_untilLeaseIsOver, cancellationToken);
            }
            catch (PortRefusedException refused)
            {
                throw new WorkerFailedException(refused.Message);
            }
        }
    }

    private static Process? TryFind(int processId)
    {
        try
        {
            return Process.GetProcessById(processId);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private async Task WaitOrEndAsync(Process worker, CancellationToken cancellationToken)
    {
        try
        {
            await UntilEndedAsync(worker, cancellationToken);
            supervisor.Forget(worker);
        }
        catch (OperationCanceledException)
        {
            PosixKill.Terminate(worker);
            await UntilEndedAsync(worker, CancellationToken.None);
            supervisor.Forget(worker);
            throw;
        }
    }

    /// <summary>One that another daemon started is the child of the container's init, and a zombie
    /// until that has taken it away, which some do late or never: Process.WaitForExitAsync would wait
    /// for that.</summary>
    private static async Task UntilEndedAsync(Process worker, CancellationToken cancellationToken)
    {
        while (!worker.HasExited && PickingProcess.Find(worker.Id) is not null)
        {
            await Task.Delay(s_untilNextLook, cancellationToken);
        }
    }
}
