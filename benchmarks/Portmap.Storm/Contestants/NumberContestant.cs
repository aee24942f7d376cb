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
        List<LostNumber> lost = [];
        while (lost.Count < StormPlan.Attempts)
        {
            long from = Stopwatch.GetTimestamp();
            int port = picker.Pick();
            string answer = await worker.AskAsync(string.Create(CultureInfo.InvariantCulture, $"{WorkerCommand.Number}{port}"));
            if (answer.StartsWith(WorkerCommand.Listening, StringComparison.Ordinal))
            {
                return new HandOff(port, Stopwatch.GetElapsedTime(began), lost, null);
            }

            picker.Return(port);
            lost.Add(new LostNumber(port, from, TimeOf(answer)));
        }

        return new HandOff(0, Stopwatch.GetElapsedTime(began), lost, $"{StormPlan.Attempts} numbers in a row were taken");
    }

    public async Task<(HandOff HandOff, IChild Process)> StartAsync(string owner)
    {
        long began = Stopwatch.GetTimestamp();
        int port = picker.Pick();
        LineProcess process = new(Self.Start(StartCommand.Verb, port.ToString(CultureInfo.InvariantCulture)));
        string answer = await process.ReadAsync() ?? WorkerCommand.Failed + "the process ended";
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        HandOff handOff = answer.StartsWith(WorkerCommand.Listening, StringComparison.Ordinal) ? new HandOff(port, took, [], null)
            : answer.StartsWith(WorkerCommand.Taken, StringComparison.Ordinal) ? new HandOff(port, took, [new LostNumber(port, began, TimeOf(answer))], $"the process ended: {port} was taken")
            : new HandOff(port, took, [], answer);
        return (handOff, process);
    }

    public void Closed(HandOff handOff) => picker.Return(handOff.Port);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static long TimeOf(string taken) => long.Parse(taken.AsSpan(WorkerCommand.Taken.Length), CultureInfo.InvariantCulture);
}
