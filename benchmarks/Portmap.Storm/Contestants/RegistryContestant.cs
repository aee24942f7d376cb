using System.Diagnostics;
using Portmap.Storm.Workers;

namespace Portmap.Storm.Contestants;

/// <summary>A daemon with the registry; the process is a worker that signs in over the wire, and
/// asks for another port by itself when one was taken.</summary>
internal sealed class RegistryContestant(string name, string strategy, PortGuardMode? guard, Daemon daemon) : IContestant
{
    public string Name => name;

    public async Task<HandOff> HandOverAsync(LineProcess worker, string owner)
    {
        long began = Stopwatch.GetTimestamp();
        PortLease lease = await AcquireAsync(owner);
        ProcessStartInfo start = new();
        long opened = Stopwatch.GetTimestamp();
        lease.PrepareStart(start);   // what a process that is started now would find in its environment, this one is told
        Task<string> answer = worker.AskAsync(WorkerCommand.FromEnvironment + string.Join('\t', start.Environment.Where(IsOurs).Select(variable => $"{variable.Key}={variable.Value}")));
        return await OutcomeAsync(lease, answer!, began, opened);
    }

    public async Task<(HandOff HandOff, IChild Process)> StartAsync(string owner)
    {
        long began = Stopwatch.GetTimestamp();
        PortLease lease = await AcquireAsync(owner);
        ProcessStartInfo start = Self.Start(StartCommand.Verb);
        long opened = Stopwatch.GetTimestamp();
        lease.PrepareStart(start);
        LineProcess process = new(start);
        return (await OutcomeAsync(lease, process.ReadAsync(), began, opened), process);
    }

    public void Closed(HandOff handOff)
    {
        // The worker has signed out.
    }

    public ValueTask DisposeAsync() => daemon.DisposeAsync();

    private ValueTask<PortLease> AcquireAsync(string owner) => daemon.Registry.AcquireAsync(new PortRequest(owner) { Strategy = strategy, Guard = guard });

    private static bool IsOurs(KeyValuePair<string, string?> variable) => variable.Key.StartsWith("PORTMAP_", StringComparison.Ordinal);

    private static async Task<HandOff> OutcomeAsync(PortLease lease, Task<string?> answer, long began, long opened)
    {
        Task<PortEntry> bound = lease.WhenBound;
        await Task.WhenAny(bound, answer);
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        string text = await answer ?? WorkerCommand.Failed + "the process ended";
        if (text.StartsWith(WorkerCommand.Listening, StringComparison.Ordinal))
        {
            return new HandOff((await bound).Port, took, LostPorts.Parse(text.AsSpan(WorkerCommand.Listening.Length), opened), null);
        }

        lease.TryRelease(out _);
        return new HandOff(0, took, [], text);
    }
}
