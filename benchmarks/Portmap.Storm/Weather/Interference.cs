using System.Diagnostics;
using System.Globalization;
using Portmap.Storm.Contestants;

namespace Portmap.Storm.Weather;

/// <summary>The processes that disturb, and how fast they did.</summary>
internal sealed class Interference : IAsyncDisposable
{
    public const string Count = "count";

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
        await _passersBy.AskAsync(PortBook.Forget);
        await (_adversary?.AskAsync(PortBook.Forget) ?? Task.CompletedTask);
        long[] before = await CountAsync();
        long began = Stopwatch.GetTimestamp();
        await round();
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        long[] after = await CountAsync();
        return new InterferenceRates((after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds, (after[2] - before[2]) / seconds);
    }

    /// <summary>Says who took a number that was lost while the last thing was run: who got it
    /// last before it was lost.</summary>
    public async Task<Taker> WhoTookAsync(LostNumber lost)
    {
        string question = string.Create(CultureInfo.InvariantCulture, $"{PortBook.Who}{lost.Port} {lost.From} {lost.Until}");
        long passed = Number(await _passersBy.AskAsync(question)), seized = _adversary is null ? 0 : Number(await _adversary.AskAsync(question));
        return passed == 0 && seized == 0 ? Taker.Unknown : passed > seized ? Taker.PasserBy : Taker.Adversary;
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
        string counts = await _passersBy.AskAsync(Count) + " " + (_adversary is null ? "0" : await _adversary.AskAsync(Count));
        return [.. counts.Split(' ').Select(Number)];
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}

/// <summary>How often each second.</summary>
internal readonly record struct InterferenceRates(double Connections, double Binds, double Seizures);

/// <summary>Who has a number that somebody lost.</summary>
internal enum Taker
{
    /// <summary>Neither of those who disturb. Where nobody keeps a book of what was handed out, it
    /// may be another process that was told the same number.</summary>
    Unknown,

    PasserBy,

    Adversary,
}
