using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Portmap;
using Portmap.Rpc;

namespace ManagementDaemon.Workers;

/// <summary>Starts workers under leases of the registry, waits until they listen, and ends them.
/// What it started does not outlive it.</summary>
internal sealed class Supervisor(PortRegistry registry, PortmapServer server, ILogger<Supervisor> logger) : IDisposable
{
    private readonly ConcurrentDictionary<int, Process> _running = [];

    /// <summary>The three steps of a start: acquire, hand the lease to the process, wait until it
    /// listens.</summary>
    public async Task<Worker> StartAsync(string program, PortRequest request, CancellationToken cancellationToken) =>
        await LaunchAsync(program, await registry.AcquireAsync(request, cancellationToken), cancellationToken);

    /// <summary>The second and third step; one that comes to nothing gives the lease back.</summary>
    public async Task<Worker> LaunchAsync(string program, PortLease lease, CancellationToken cancellationToken)
    {
        Process? process = null;
        try
        {
            ProcessStartInfo start = WorkerProgram.Find(program);

            // A worker that outlives us must not hold our own streams. What it says then meets a broken
            // pipe: a worker of yours that says much had better write to a file.
            start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
            lease.PrepareStart(start, server.Endpoints[0].ToString());
            process = Run(start);
            Worker worker = new(program, lease, process);
            Task<string> complaint = ReadAsync(worker, process.StandardError);
            _ = ReadAsync(worker, process.StandardOutput);   // a pipe that nobody reads holds up who writes to it

            Task<PortEntry> bound = lease.WhenBound;
            Task exited = process.WaitForExitAsync(cancellationToken);
            if (await Task.WhenAny(bound, exited) == exited && !bound.IsCompletedSuccessfully)
            {
                await exited;
                throw new WorkerFailedException($"{program} for {lease.Owner} ended with exit code {process.ExitCode} before it listened: {await complaint}");
            }

            await bound;
            return worker;
        }
        catch (Exception e)
        {
            await GiveBackAsync(lease, process);
            if (e is Win32Exception or FileNotFoundException)
            {
                throw new WorkerFailedException($"{program} for {lease.Owner} cannot be started: {e.Message}");
            }

            throw;
        }
    }

    /// <summary>Asks a worker to end and waits until it has.</summary>
    public Task StopAsync(Worker worker, CancellationToken cancellationToken) => StopAsync(worker.Process, $"{worker.Program} for {worker.Owner}", cancellationToken);

    /// <summary>Asks a process that <see cref="Run"/> started to end and waits until it
    /// has.</summary>
    public async Task StopAsync(Process process, string what, CancellationToken cancellationToken)
    {
        PosixKill.Terminate(process);
        await process.WaitForExitAsync(cancellationToken);
        _running.TryRemove(process.Id, out _);
        if (process.ExitCode != 0)
        {
            throw new WorkerFailedException($"{what} ended with exit code {process.ExitCode} instead of 0.");
        }
    }

    /// <summary>A process has ended, or is somebody else's to end.</summary>
    public void Forget(Process process) => _running.TryRemove(process.Id, out _);

    /// <summary>Starts a program that is ended with the supervisor.</summary>
    public Process Run(ProcessStartInfo start)
    {
        Process process = Process.Start(start) ?? throw new WorkerFailedException($"{start.FileName} did not start.");
        _running[process.Id] = process;
        return process;
    }

    public void Dispose()
    {
        foreach (Process process in _running.Values)
        {
            process.Kill();
            process.Dispose();
        }
    }

    /// <summary>Else the owner stays reserved until LeaseTimeout, and nothing can be started for
    /// it.</summary>
    private async Task GiveBackAsync(PortLease lease, Process? process)
    {
        if (process is not null)
        {
            process.Kill();   // does nothing once it has ended
            Forget(process);
        }

        try
        {
            await lease.ReleaseAsync(CancellationToken.None);
        }
        catch (PortRefusedException refused)
        {
            Log.NotGivenBack(logger, lease.Owner, refused.Message);
        }
    }

    /// <summary>Logs what a worker says.</summary>
    /// <returns>The last line.</returns>
    private async Task<string> ReadAsync(Worker worker, StreamReader said)
    {
        string last = "it did not say why.";
        while (await said.ReadLineAsync() is { } line)
        {
            last = line;
            Log.WorkerSaid(logger, worker.Owner, line);
        }

        return last;
    }
}
