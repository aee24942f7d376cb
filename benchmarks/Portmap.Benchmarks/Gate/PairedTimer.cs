using System.Diagnostics;

namespace Portmap.Benchmarks.Gate;

/// <summary>Compares two pieces of work on a machine that is never quiet: they take turns in short
/// slices, and what counts is the median of the ratios of neighbouring slices, so that a
/// disturbance hits both or is outvoted.</summary>
internal static class PairedTimer
{
    private const int WarmUpMs = 300, Slices = 41;

    /// <param name="ours">One call of ours.</param>
    /// <param name="baseline">One call of the baseline, with as many operations in it.</param>
    /// <param name="operations">How many operations one call makes.</param>
    /// <param name="sliceMs">How long one slice takes at least; long enough to fill the caches
    /// anew.</param>
    /// <param name="slices">How many slices of each; odd, so that there is a median.</param>
    public static Paired Measure(Action ours, Action baseline, int operations, int sliceMs, int slices = Slices) =>
        Measure(() => RunFor(ours, sliceMs) / operations, () => RunFor(baseline, sliceMs) / operations, slices);

    /// <param name="ours">One slice of ours; gives nanoseconds by operation.</param>
    /// <param name="baseline">One slice of the baseline.</param>
    /// <param name="slices">How many slices of each; odd, so that there is a median.</param>
    public static Paired Measure(Func<double> ours, Func<double> baseline, int slices = Slices)
    {
        // The compiler's tiers: a method is compiled anew after many calls, and loops in it are
        // replaced while they run.
        WarmUp(ours);
        WarmUp(baseline);
        double[] ratios = new double[slices], oursNs = new double[slices], baselineNs = new double[slices];
        for (int i = 0; i < slices; i++)
        {
            // Who comes first changes, because the first one pays for what the other left in the
            // caches.
            if (i % 2 == 0)
            {
                oursNs[i] = ours();
                baselineNs[i] = baseline();
            }
            else
            {
                baselineNs[i] = baseline();
                oursNs[i] = ours();
            }

            ratios[i] = oursNs[i] / baselineNs[i];
        }

        return new Paired(Median(oursNs), Median(baselineNs), Median(ratios));
    }

    public static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }

    private static void WarmUp(Func<double> slice)
    {
        long end = Stopwatch.GetTimestamp() + (WarmUpMs * Stopwatch.Frequency / 1_000);
        while (Stopwatch.GetTimestamp() < end)
        {
            slice();
        }
    }

    private static double RunFor(Action work, int milliseconds)
    {
        long calls = 0, start = Stopwatch.GetTimestamp(), end = start + (milliseconds * Stopwatch.Frequency / 1_000), now;
        do
        {
            work();
            calls++;
            now = Stopwatch.GetTimestamp();
        }
        while (now < end);

        return (double)(now - start) * 1_000_000_000 / Stopwatch.Frequency / calls;
    }
}

/// <summary>What a comparison gave, by operation.</summary>
internal readonly record struct Paired(double OursNs, double BaselineNs, double Ratio);
