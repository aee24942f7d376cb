using System.Diagnostics;
using System.Globalization;
using Portmap.Rpc;
using Portmap.Storm.Workers;

namespace Portmap.Storm.Contestants;

/// <summary>A daemon with the registry; the process is a worker that signs in over the wire, and
/// asks for another port by itself when one was taken.</summary>
internal sealed class RegistryContestant : IContestant
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portmap-storm-");
    private readonly string _strategy;
    private readonly PortRegistry _registry;
    private readonly PortmapServer _server;

    private RegistryContestant(string name, string strategy)
    {
        (Name, _strategy) = (name, strategy);
        string endpoint = $"unix:{Path.Combine(_folder.FullName, "portmap.sock")}";
        PortRegistryOptions options = new()
        {
            Ports = StormNamespace.Ports.ToString(),
            Endpoint = endpoint,
            BindAttempts = StormPlan.Attempts,

            // The range is narrow and its ports change hands all the time: with the defaults of 60
            // s and 30 s it would soon be full of ports not looked at again.
            ReuseDelay = TimeSpan.FromMilliseconds(100),
            ForeignRecheck = TimeSpan.FromMilliseconds(100),
        };
        _registry = new PortRegistry(options);
        _server = new PortmapServer(_registry, new PortmapServerOptions { Endpoints = { endpoint } });
    }

    public string Name { get; }

    public static async Task<IContestant> OpenAsync(string name, string strategy)
    {
        RegistryContestant contestant = new(name, strategy);
        await contestant._server.StartAsync();
        return contestant;
    }

    public async Task<HandOff> HandOverAsync(LineProcess worker, string owner)
    {
        long began = Stopwatch.GetTimestamp();
        PortLease lease = await _registry.AcquireAsync(new PortRequest(owner) { Strategy = _strategy });
        ProcessStartInfo start = new();
        lease.PrepareStart(start);   // what a process that is started now would find in its environment, this one is told
        Task<string> answer = worker.AskAsync(WorkerCommand.FromEnvironment + string.Join('\t', start.Environment.Where(IsOurs).Select(variable => $"{variable.Key}={variable.Value}")));
        return await OutcomeAsync(lease, answer!, began);
    }

    public async Task<(HandOff HandOff, LineProcess Process)> StartAsync(string owner)
    {
        long began = Stopwatch.GetTimestamp();
        PortLease lease = await _registry.AcquireAsync(new PortRequest(owner) { Strategy = _strategy });
        ProcessStartInfo start = Self.Start(StartCommand.Verb);
        lease.PrepareStart(start);
        LineProcess process = new(start);
        return (await OutcomeAsync(lease, process.ReadAsync(), began), process);
    }

    public void Closed(HandOff handOff)
    {
        // The worker has signed out.
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _registry.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static bool IsOurs(KeyValuePair<string, string?> variable) => variable.Key.StartsWith("PORTMAP_", StringComparison.Ordinal);

    private static async Task<HandOff> OutcomeAsync(PortLease lease, Task<string?> answer, long began)
    {
        Task<PortEntry> bound = lease.WhenBound;
        await Task.WhenAny(bound, answer);
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        string text = await answer ?? WorkerCommand.Failed + "the process ended";
        if (text.StartsWith(WorkerCommand.Listening, StringComparison.Ordinal))
        {
            return new HandOff((await bound).Port, took, int.Parse(text.AsSpan(WorkerCommand.Listening.Length), CultureInfo.InvariantCulture), null);
        }

        lease.TryRelease(out _);
        return new HandOff(0, took, StormPlan.Attempts, text);
    }
}
