using System.Diagnostics;
using System.Globalization;
using Portmap.Storm.Workers;

namespace Portmap.Storm.Contestants;

/// <summary>A daemon that finds a free number and tells the process. When the process cannot have
/// it, it finds another one.</summary>
internal sealed class NumberContestant(string name, IPortPicker picker) : IContestant
{
    public string Name => name;

    public async Task<HandOff> HandOverAsync(LineProcess worker, string owner)
    {
        long began = Stopwatch.GetTimestamp();
        for (int retries = 0; retries < StormPlan.Attempts; retries++)
        {
            int port = picker.Pick();
            string answer = await worker.AskAsync(string.Create(CultureInfo.InvariantCulture, $"{WorkerCommand.Number}{port}"));
            if (answer.StartsWith(WorkerCommand.Listening, StringComparison.Ordinal))
            {
                return new HandOff(port, Stopwatch.GetElapsedTime(began), retries, null);
            }

            picker.Return(port);
        }

        return new HandOff(0, Stopwatch.GetElapsedTime(began), StormPlan.Attempts, $"{StormPlan.Attempts} numbers in a row were taken");
    }

    public async Task<(HandOff HandOff, LineProcess Process)> StartAsync(string owner)
    {
        long began = Stopwatch.GetTimestamp();
        int port = picker.Pick();
        LineProcess process = new(Self.Start(StartCommand.Verb, port.ToString(CultureInfo.InvariantCulture)));
        string? answer = await process.ReadAsync();
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        return (new HandOff(port, took, 0, answer is null ? $"the process ended: {port} was taken" : null), process);
    }

    public void Closed(HandOff handOff) => picker.Return(handOff.Port);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
