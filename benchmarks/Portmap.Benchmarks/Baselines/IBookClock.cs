using System.Diagnostics;

namespace Portmap.Benchmarks.Baselines;

/// <summary>What a baseline tells the time by: a type of its own, so that reading it is no
/// call.</summary>
internal interface IBookClock
{
    static abstract long BySecond { get; }

    static abstract long Now { get; }
}

/// <summary>The kernel's tick, as the registry reads it: the cheapest clock there is.</summary>
internal readonly struct TickClock : IBookClock
{
    public static long BySecond => 1_000;

    public static long Now => Environment.TickCount64;
}

/// <summary>The clock most would take. It costs 26 to 33 ns a read where the registry pays 4, twice
/// in each pair: it flatters ours, so no budget is held against it.</summary>
internal readonly struct StopwatchClock : IBookClock
{
    public static long BySecond => Stopwatch.Frequency;

    public static long Now => Stopwatch.GetTimestamp();
}
