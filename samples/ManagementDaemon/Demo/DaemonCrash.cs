using System.Diagnostics;
using ManagementDaemon.PortServer;
using ManagementDaemon.Workers;
using Portmap;
using Portmap.Rpc;

namespace ManagementDaemon.Demo;

/// <summary>The scene in which the daemon itself dies: a second daemon, a process of its own with
/// its state on disk, is killed while its bricks run.</summary>
internal sealed class DaemonCrash(Stage stage, DirectoryInfo folder, Supervisor supervisor)
{
    private const int BrickCount = 3;

    private readonly PortmapEndpoint _endpoint = PortmapEndpoint.Parse($"unix:{folder.FullName}/second.sock");
    private readonly string _state = Path.Combine(folder.FullName, "state");

    private readonly List<PortEntry> _seen = [];

    public async Task PlayAsync(CancellationToken cancellationToken)
    {
        try
        {
            await PlayToTheEndAsync(cancellationToken);
        }
        finally
        {
            foreach (PortEntry brick in _seen)   // they outlive a daemon that was killed
            {
                Kill(brick);
            }
        }
    }

    private async Task PlayToTheEndAsync(CancellationToken cancellationToken)
    {
        stage.Open("A daemon keeps its bricks running, is killed with SIGKILL, and started again");
        Process daemon = await StartDaemonAsync(cancellationToken);
        string[] owners = [.. Enumerable.Range(1, BrickCount).Select(KeptBricks.OwnerOf)];
        Dictionary<string, PortEntry> first = await ServedAsync(owners, _ => true, cancellationToken);
        stage.Tell($"Daemon pid {daemon.Id} keeps its map in {_state}. It has started {BrickCount} bricks, which listen and have signed in.");

        Kill(first[owners[0]]);
        Dictionary<string, PortEntry> before = await ServedAsync(owners, entry => entry.ProcessId != first[owners[0]].ProcessId, cancellationToken);
        stage.Tell($"{owners[0]}, pid {first[owners[0]].ProcessId}, was killed; the daemon started it again, it is pid {before[owners[0]].ProcessId}.");

        daemon.Kill();
        await daemon.WaitForExitAsync(cancellationToken);
        foreach (PortEntry entry in before.Values)
        {
            string answer = await LineClient.AskAsync(entry.Port, cancellationToken);
            Scenes.Check(answer.Split(' ').Contains(entry.Owner), $"port {entry.Port} of {entry.Owner} answers '{answer}' without the daemon.");
        }

        Kill(before[owners[1]]);
        stage.Tell($"The daemon is gone, and the bricks serve on. One of them, {owners[1]}, is killed meanwhile.");
        daemon = await StartDaemonAsync(cancellationToken);
        Dictionary<string, PortEntry> after = await ServedAsync(owners, entry => entry.ProcessId != before[owners[1]].ProcessId, cancellationToken);
        foreach (string owner in owners.Where(owner => owner != owners[1]))
        {
            (PortEntry was, PortEntry found) = (before[owner], after[owner]);
            Scenes.Check(found.Port == was.Port && found.ProcessId == was.ProcessId, $"{owner} was pid {was.ProcessId} on port {was.Port} and is pid {found.ProcessId} on port {found.Port}.");
        }

        stage.Tell($"Daemon pid {daemon.Id} read the state. The bricks that live kept their ports, signed in again by themselves, and were started no second time; the dead one was:");
        stage.Map(after.Values);
        await supervisor.StopAsync(daemon, "the daemon", cancellationToken);
        Scenes.Check(after.Values.All(entry => !IsThere(entry)), "a brick lives on after its daemon has ended in order.");
    }

    private async Task<Process> StartDaemonAsync(CancellationToken cancellationToken)
    {
        ProcessStartInfo start = WorkerProgram.FindSelf();
        foreach (string argument in (string[])[ServeCommand.Verb, "--unix", _endpoint.ToString()["unix:".Length..], "--state", _state, "--bricks", $"{BrickCount}"])
        {
            start.ArgumentList.Add(argument);
        }

        start.RedirectStandardOutput = start.RedirectStandardError = true;
        Process daemon = supervisor.Run(start);
        Task<string> complaints = daemon.StandardError.ReadToEndAsync(cancellationToken);   // read, or the pipe fills up
        string? line = await daemon.StandardOutput.ReadLineAsync(cancellationToken);
        return line is not null && line.StartsWith(ServeCommand.Ready, StringComparison.Ordinal)
            ? daemon
            : throw new DemoFailedException($"the daemon did not start: {await complaints}");
    }

    private static void Kill(PortEntry brick)
    {
        try
        {
            using Process process = Process.GetProcessById(brick.ProcessId!.Value);
            process.Kill();
        }
        catch (ArgumentException)
        {
            // It is gone.
        }
    }

    private static bool IsThere(PortEntry brick) => PickingProcess.Find(brick.ProcessId!.Value) is not null;

    /// <summary>Waits until lookups serve all of them, each as is wanted.</summary>
    private async Task<Dictionary<string, PortEntry>> ServedAsync(string[] owners, Func<PortEntry, bool> isWanted, CancellationToken cancellationToken)
    {
        Dictionary<string, PortEntry> served = [];
        await using PortmapClient client = await PortmapClient.ConnectAsync(_endpoint, new PortmapClientOptions { ConnectTimeout = Stage.LongestSilence }, cancellationToken);
        await foreach (PortUpdate update in client.WatchAsync(cancellationToken: cancellationToken))
        {
            IEnumerable<PortEntry> entries = update.Snapshot?.Entries ?? update.Changes.Select(change => change.Entry);
            foreach (PortEntry entry in entries.Where(entry => entry.State == PortState.Bound && owners.Contains(entry.Owner) && isWanted(entry)))
            {
                _seen.Add(entry);
                served[entry.Owner] = entry;
            }

            if (served.Count == owners.Length)
            {
                break;
            }
        }

        return served;
    }
}
