using System.Diagnostics;
using System.Globalization;

namespace Portmap.Storm.Weather;

/// <summary>The processes that disturb, and how fast they did.</summary>
internal sealed class Interference : IAsyncDisposable
{
    private readonly LineProcess _passersBy = new(Self.Start(PassersBy.Verb));
    private readonly LineProcess? _adversary;

    public Interference(bool withAdversary)
    {
        WithAdversary = withAdversary;
        _adversary = withAdversary ? new LineProcess(Self.Start(Adversary.Verb)) : null;
    }

    public bool WithAdversary { get; }

    /// <summary>Runs something in the storm.</summary>
    /// <returns>The rate of each kind of interference meanwhile.</returns>
    public async Task<InterferenceRates> MeasureAsync(Func<Task> round)
    {
        long[] before = await CountAsync();
        long began = Stopwatch.GetTimestamp();
        await round();
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        long[] after = await CountAsync();
        return new InterferenceRates((after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds, (after[2] - before[2]) / seconds);
    }

    /// <summary>Waits until all of them are at it, and hold as many ports as they ever
    /// do.</summary>
    public async Task WhenUnderWayAsync()
    {
        while ((await CountAsync()) is not [> 1_000, > 1_000, var seized] || (WithAdversary && seized < 1_000))
        {
            await Task.Yield();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _passersBy.DisposeAsync();
        await (_adversary?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private async Task<long[]> CountAsync()
    {
        string counts = await _passersBy.AskAsync("count") + " " + (_adversary is null ? "0" : await _adversary.AskAsync("count"));
        return [.. counts.Split(' ').Select(count => long.Parse(count, CultureInfo.InvariantCulture))];
    }
}

/// <summary>How often each second.</summary>
internal readonly record struct InterferenceRates(double Connections, double Binds, double Seizures);
