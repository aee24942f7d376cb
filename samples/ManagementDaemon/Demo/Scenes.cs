using System.Diagnostics;
using ManagementDaemon.Workers;
using Portmap;
using Portmap.Rpc;

namespace ManagementDaemon.Demo;

/// <summary>The scenes of the demo. Each shows what happens and throws when it does not.</summary>
internal sealed class Scenes(Stage stage, PortmapEndpoint endpoint, PortRegistry registry, Supervisor supervisor)
{
    public const int BrickCount = 6;
    public const int SnapdCount = 2;
    private const int StealAttempts = 8;

    private readonly Dictionary<string, Worker> _workers = [];
    private Process? _stranger;

    public async Task StartEverythingAsync(CancellationToken cancellationToken)
    {
        stage.Open($"{BrickCount} bricks and {SnapdCount} snapd start, each a process of its own");
        stage.Tell($"The daemon is pid {Environment.ProcessId} and serves {endpoint}.");
        IEnumerable<Task<Worker>> bricks = Enumerable.Range(1, BrickCount).Select(i => supervisor.StartAsync(
            WorkerProgram.Brick, new PortRequest($"vol0:/bricks/b{i}") { Strategy = i % 2 == 0 ? "AllocatorPicks" : "ProcessBinds" }, cancellationToken));
        IEnumerable<Task<Worker>> snapds = Enumerable.Range(0, SnapdCount).Select(i => supervisor.StartAsync(
            WorkerProgram.Snapd, new PortRequest($"snapd:vol{i}") { Strategy = PortRegistryOptions.ProcessBinds }, cancellationToken));
        foreach (Worker worker in await Task.WhenAll([.. bricks, .. snapds]))
        {
            _workers.Add(worker.Owner, worker);
        }

        stage.Tell($"Half of the bricks are given a port by the registry (AllocatorPicks); the others pick one themselves (ProcessBinds).");
        stage.Tell($"Snapd makes its listening socket without asking anybody and then signs in with it.");
        ShowMap();
    }

    public async Task AskEverybodyAsync(CancellationToken cancellationToken)
    {
        stage.Open("A client looks every port up and asks who is there");
        await using PortmapClient client = await PortmapClient.ConnectAsync(endpoint, new PortmapClientOptions { ConnectTimeout = Stage.LongestSilence }, cancellationToken);
        List<(string, int, string)> answers = [];
        foreach (string owner in _workers.Keys.Order(StringComparer.Ordinal))
        {
            PortEntry entry = await client.GetEntryAsync(owner, cancellationToken: cancellationToken)
                ?? throw new DemoFailedException($"{owner} runs but cannot be looked up.");
            string answer = await LineClient.AskAsync(entry.Port, cancellationToken);
            Check(answer.Split(' ').Contains(owner), $"the map says {owner} is on port {entry.Port}, but there answers '{answer}'.");
            answers.Add((owner, entry.Port, answer));
        }

        stage.Answers(answers);
    }

    public async Task KillOneAsync(CancellationToken cancellationToken)
    {
        stage.Open("A brick is killed with SIGKILL and started again");
        Worker victim = _workers["vol0:/bricks/b2"];
        PortEntry before = await victim.Lease.WhenBound;
        long revision = registry.Snapshot().Revision;
        long killed = Stopwatch.GetTimestamp();
        victim.Process.Kill();
        await ChangeAsync(victim.Owner, PortChangeKind.Died, revision, cancellationToken);
        Check(!registry.TryGetPort(victim.Owner, out _), $"{victim.Owner} is dead and still looked up.");
        stage.Tell($"{victim.Owner}, pid {before.ProcessId} on port {before.Port}, is gone from the map {Stopwatch.GetElapsedTime(killed).TotalMilliseconds:F1} ms after the kill.");

        PortEntry after = await RestartAsync(victim, cancellationToken);
        Check(after.Port != before.Port, $"the restarted {victim.Owner} got its old port {after.Port} and not a fresh one.");
        stage.Tell($"Started again, it is pid {after.ProcessId} on the fresh port {after.Port}.");
        ShowMap();
    }

    public async Task StealAPortAsync(CancellationToken cancellationToken)
    {
        stage.Open("A foreign program wants a port between its acquisition and the start of the brick");
        Worker brick = _workers["vol0:/bricks/b4"];
        await supervisor.StopAsync(brick, cancellationToken);
        PortLease lease = await registry.AcquireAsync(new PortRequest(brick.Owner) { Strategy = PortRegistryOptions.AllocatorPicks }, cancellationToken);
        int guarded = lease.Port;
        Check(await Stranger.SitOnAsync(guarded, supervisor, cancellationToken) is null, $"the foreign program got port {guarded}, which is guarded.");
        stage.Tell($"{lease.Owner} was given port {guarded}, {lease.Guarantee}: the kernel refused it to a foreign program.");
        brick = await supervisor.LaunchAsync(brick.Program, lease, cancellationToken);
        _workers[brick.Owner] = brick;
        Check((await lease.WhenBound).Port == guarded, $"{brick.Owner} did not come up on port {guarded}.");
        stage.Tell($"The gate opened for the brick, which came up on that very port.");
        ShowMap();
    }

    public async Task LoseAPortAsync(CancellationToken cancellationToken)
    {
        stage.Open("Without a guard the foreign program gets the port");
        Worker brick = _workers["vol0:/bricks/b6"];
        await supervisor.StopAsync(brick, cancellationToken);
        (PortLease lease, Process stranger) = await GiveAwayAPortAsync(brick.Owner, cancellationToken);
        int stolen = lease.Port;
        _stranger = stranger;
        stage.Tell($"{lease.Owner} was given port {stolen}, {lease.Guarantee}; now pid {stranger.Id} listens there, which never heard of the map.");

        brick = await supervisor.LaunchAsync(brick.Program, lease, cancellationToken);
        _workers[brick.Owner] = brick;
        PortEntry healed = await lease.WhenBound;
        Check(healed.Port != stolen, $"{healed.Owner} claims port {stolen}, which the foreign program has.");
        Check(registry.TryGetEntry(stolen, out PortEntry foreign) && foreign.State == PortState.Foreign, $"port {stolen} is not shown as Foreign.");
        stage.Tell($"The brick found it taken, reported it over the same connection, and came up on port {healed.Port}. It was not started again.");
        stage.Tell($"Whoever insists on port {stolen} is told: \"{RefusalOf(stolen)}\"");
        ShowMap();
    }

    public async Task ShutDownAsync(CancellationToken cancellationToken)
    {
        stage.Open("Everything shuts down in order");
        await Task.WhenAll(_workers.Values.Select(worker => supervisor.StopAsync(worker, cancellationToken)));
        stage.Tell($"{_workers.Count} workers were asked with SIGTERM, signed out and ended with exit code 0.");
        IEnumerable<PortEntry> left = registry.Snapshot().Entries.Where(entry => entry.State is PortState.Bound or PortState.Reserved);
        Check(!left.Any(), $"the map still holds {string.Join(", ", left.Select(entry => entry.Owner))}.");
        stage.Tell($"Nobody is left in the map; what is shown still is cooling down, so that it is not handed out again at once.");
        ShowMap();
        if (_stranger is not null)
        {
            await Stranger.SendAwayAsync(_stranger, cancellationToken);
        }
    }

    /// <summary>What the registry answers when an owner insists on a port that a foreign program
    /// has.</summary>
    private string RefusalOf(int stolen)
    {
        PortRequest request = new("vol0:/bricks/b7") { Strategy = PortRegistryOptions.AllocatorPicks, Reuse = PortReuse.Require, Previous = stolen };
        Check(!registry.TryAcquire(request, out _, out PortRefusal? refusal), $"port {stolen}, which the foreign program has, was handed out.");
        return refusal!.Message;
    }

    private async Task<PortEntry> RestartAsync(Worker worker, CancellationToken cancellationToken)
    {
        PortRequest request = new(worker.Owner) { Strategy = worker.Lease.Strategy };
        Worker next = await supervisor.StartAsync(worker.Program, request, cancellationToken);
        _workers[worker.Owner] = next;
        return await next.Lease.WhenBound;
    }

    /// <summary>Acquires a port and lets a foreign program have it. Another demo may be faster with
    /// that very port; then it is tried again.</summary>
    private async Task<(PortLease Lease, Process Stranger)> GiveAwayAPortAsync(string owner, CancellationToken cancellationToken)
    {
        for (int i = 0; i < StealAttempts; i++)
        {
            PortLease lease = await registry.AcquireAsync(new PortRequest(owner) { Strategy = PortRegistryOptions.AllocatorPicks, Guard = PortGuardMode.None }, cancellationToken);
            if (await Stranger.SitOnAsync(lease.Port, supervisor, cancellationToken) is { } stranger)
            {
                return (lease, stranger);
            }

            await lease.ReleaseAsync(cancellationToken);
        }

        throw new DemoFailedException($"the foreign program found each of {StealAttempts} ports taken by somebody else.");
    }

    private async Task ChangeAsync(string owner, PortChangeKind kind, long afterRevision, CancellationToken cancellationToken)
    {
        await foreach (PortUpdate update in registry.WatchAsync(afterRevision, cancellationToken: cancellationToken))
        {
            if (update.Changes.Any(change => change.Kind == kind && change.Entry.Owner == owner))
            {
                return;
            }
        }
    }

    private void ShowMap() => stage.Map(registry.Snapshot().Entries);

    internal static void Check(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new DemoFailedException(otherwise);
        }
    }
}
