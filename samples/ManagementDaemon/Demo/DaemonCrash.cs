using System.Diagnostics;
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

    public async Task PlayAsync(CancellationToken cancellationToken)
    {
        stage.Open("A daemon is killed with SIGKILL while its bricks run, and started again");
        Process daemon = await StartDaemonAsync(cancellationToken);
        string[] owners = [.. Enumerable.Range(1, BrickCount).Select(i => $"vol1:/bricks/b{i}")];
        Process[] bricks = [.. owners.Select(StartBrick)];
        Dictionary<string, PortEntry> before = await ServedAsync(owners, cancellationToken);
        stage.Tell($"Daemon pid {daemon.Id} keeps its map in {_state}. {BrickCount} bricks listen and have signed in.");

        daemon.Kill();
        await daemon.WaitForExitAsync(cancellationToken);
        foreach (PortEntry entry in before.Values)
        {
            string answer = await LineClient.AskAsync(entry.Port, cancellationToken);
            Scenes.Check(answer.Split(' ').Contains(entry.Owner), $"port {entry.Port} of {entry.Owner} answers '{answer}' without the daemon.");
        }

        stage.Tell($"It is gone, and the bricks serve on.");
        daemon = await StartDaemonAsync(cancellationToken);
        Dictionary<string, PortEntry> after = await ServedAsync(owners, cancellationToken);
        foreach (string owner in owners)
        {
            (PortEntry was, PortEntry found) = (before[owner], after[owner]);
            Scenes.Check(found.Port == was.Port && found.ProcessId == was.ProcessId, $"{owner} was pid {was.ProcessId} on port {was.Port} and is pid {found.ProcessId} on port {found.Port}.");
        }

        stage.Tell($"Daemon pid {daemon.Id} read the state and held the ports; the bricks signed in again by themselves. Every one kept its port and its entry came back:");
        stage.Map(after.Values);
        for (int i = 0; i < bricks.Length; i++)
        {
            await supervisor.StopAsync(bricks[i], owners[i], cancellationToken);
        }

        await supervisor.StopAsync(daemon, "the daemon", cancellationToken);
    }

    private async Task<Process> StartDaemonAsync(CancellationToken cancellationToken)
    {
        ProcessStartInfo start = WorkerProgram.FindSelf();
        foreach (string argument in (string[])[ServeCommand.Verb, "--unix", _endpoint.ToString()["unix:".Length..], "--state", _state])
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

    private Process StartBrick(string owner)
    {
        ProcessStartInfo start = WorkerProgram.Find(WorkerProgram.Brick);
        start.Environment["PORTMAP_OWNER"] = owner;
        start.Environment["PORTMAP_ENDPOINT"] = _endpoint.ToString();
        return supervisor.Run(start);
    }

    /// <summary>Waits until lookups serve all of them.</summary>
    private async Task<Dictionary<string, PortEntry>> ServedAsync(string[] owners, CancellationToken cancellationToken)
    {
        Dictionary<string, PortEntry> served = [];
        await using PortmapClient client = await PortmapClient.ConnectAsync(_endpoint, cancellationToken: cancellationToken);
        await foreach (PortUpdate update in client.WatchAsync(cancellationToken: cancellationToken))
        {
            IEnumerable<PortEntry> entries = update.Snapshot?.Entries ?? update.Changes.Select(change => change.Entry);
            foreach (PortEntry entry in entries.Where(entry => entry.State == PortState.Bound && owners.Contains(entry.Owner)))
            {
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
