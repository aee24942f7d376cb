using Portmap.Benchmarks.Gate;

namespace Portmap.Benchmarks.Quick;

/// <summary>A piece of work among those that are compared.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Run">Makes <paramref name="Operations"/> operations.</param>
/// <param name="Operations">How many.</param>
internal sealed record Contestant(string Name, Action Run, int Operations);

/// <summary>How one of them stands.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Ns">By operation, the median.</param>
/// <param name="Ratio">How many times its time the first one takes: the median over the
/// rounds.</param>
internal readonly record struct Standing(string Name, double Ns, double Ratio);

/// <summary>Compares any number of pieces of work, which take turns in slices of a millisecond or
/// two, so that whatever disturbs the machine hits all of them or is outvoted.</summary>
internal static class Turns
{
    private const long WarmUpNs = 25_000_000;
    private const int WarmUps = 6, RestMs = 120;

    /// <param name="clock">In nanoseconds: the processor time of this thread, or the wall's where
    /// other threads work too.</param>
    /// <param name="sliceNs">How long a slice takes at least.</param>
    /// <param name="rounds">How many rounds; odd, so that there is a median.</param>
    /// <param name="contestants">Those that are compared; the first one is ours.</param>
    public static Standing[] Measure(Func<long> clock, long sliceNs, int rounds, params ReadOnlySpan<Contestant> contestants)
    {
        // The compiler's tiers come by a thread of its own, which a busy machine lets wait: without
        // the rests a baseline was measured at twice its time in one run of three.
        for (int round = 0; round < WarmUps; round++)
        {
            foreach (Contestant contestant in contestants)
            {
                Slice(clock, contestant, WarmUpNs);
            }

            Thread.Sleep(RestMs);
        }

        double[][] ns = new double[contestants.Length][];
        for (int i = 0; i < ns.Length; i++)
        {
            ns[i] = new double[rounds];
        }

        for (int round = 0; round < rounds; round++)
        {
            for (int i = 0; i < contestants.Length; i++)
            {
                int turn = (i + round) % contestants.Length;   // who comes first pays for what the last one left in the caches
                ns[turn][round] = Slice(clock, contestants[turn], sliceNs);
            }
        }

        Standing[] standings = new Standing[contestants.Length];
        for (int i = 0; i < contestants.Length; i++)
        {
            standings[i] = new Standing(contestants[i].Name, PairedTimer.Median(ns[i]), PairedTimer.Median([.. ns[0].Zip(ns[i], (ours, theirs) => ours / theirs)]));
        }

        return standings;
    }

    private static double Slice(Func<long> clock, Contestant contestant, long leastNs)
    {
        long calls = 0, start = clock(), now;
        do
        {
            contestant.Run();
            calls++;
            now = clock();
        }
        while (now - start < leastNs);

        return (double)(now - start) / calls / contestant.Operations;
    }
}
