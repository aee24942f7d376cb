using System.Diagnostics;
using Portmap.Benchmarks.Gate;

namespace Portmap.Benchmarks.Quick;

/// <summary>A piece of work for several threads at once.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Run">What the thread of a number from 0 does.</param>
/// <param name="Operations">How many operations all make together.</param>
internal sealed record TeamWork(string Name, Action<int> Run, int Operations);

/// <summary>Compares what several threads do at once on a machine that is never quiet: of many
/// short slices those count in which all ran side by side and nobody was preempted.</summary>
/// <remarks>A thread that waits for a lock gives its processor away itself, which
/// counts.</remarks>
internal sealed class Together
{
    private const int Wanted = 101, Least = 5, WarmUps = 400, MostMs = 40_000;
    private const double SideBySide = 0.8;

    private readonly long[] _start;
    private readonly long[] _end;
    private readonly bool[] _isDisturbed;
    private int _ready;

    private Together(int threads) => (_start, _end, _isDisturbed) = (new long[threads], new long[threads], new bool[threads]);

    /// <param name="threads">How many threads.</param>
    /// <param name="works">Those that are compared; the first one is ours.</param>
    public static Standing[] Measure(int threads, params TeamWork[] works)
    {
        Together slice = new(threads);
        ThreadTeam[] teams = Array.ConvertAll(works, work => new ThreadTeam(threads, number => slice.Run(number, work.Run)));
        List<double>[] good = Array.ConvertAll(works, _ => new List<double>()), all = Array.ConvertAll(works, _ => new List<double>());
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < WarmUps || (Array.Exists(good, kept => kept.Count < Wanted) && Stopwatch.GetElapsedTime(start).TotalMilliseconds < MostMs); round++)
        {
            for (int i = 0; i < teams.Length; i++)
            {
                slice._ready = 0;
                teams[i].Run();
                if (round >= WarmUps)
                {
                    all[i].Add(slice.Ns / works[i].Operations);
                    good[i].AddRange(slice.IsGood ? [all[i][^1]] : []);
                }
            }
        }

        Array.ForEach(teams, team => team.Dispose());
        double[] ns = [.. good.Zip(all, (kept, any) => PairedTimer.Median([.. kept.Count >= Least ? kept : any]))];
        return [.. works.Zip(ns, (work, its) => new Standing(work.Name, its, ns[0] / its))];
    }

    /// <summary>From the first who began to the last who was through.</summary>
    private double Ns => (_end.Max() - _start.Min()) * 1_000_000_000.0 / Stopwatch.Frequency;

    private bool IsGood =>
        !Array.Exists(_isDisturbed, disturbed => disturbed) && _end.Min() - _start.Max() > (_end.Max() - _start.Min()) * SideBySide;

    private void Run(int number, Action<int> work)
    {
        Interlocked.Increment(ref _ready);
        for (long began = Stopwatch.GetTimestamp(); Volatile.Read(ref _ready) < _start.Length && Stopwatch.GetElapsedTime(began).TotalMilliseconds < 10;)
        {
            // The others are on their way, or were preempted; then this slice does not count.
        }

        long before = ThreadClock.Preemptions;
        _start[number] = Stopwatch.GetTimestamp();
        work(number);
        _end[number] = Stopwatch.GetTimestamp();
        _isDisturbed[number] = ThreadClock.Preemptions != before;
    }
}
