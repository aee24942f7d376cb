using System.Diagnostics;
using System.Numerics;

namespace Portmap.Benchmarks;

/// <summary>Counts durations in buckets of 3 % width, as HdrHistogram does.</summary>
internal sealed class LatencyHistogram
{
    private const int SubBits = 5;

    private readonly long[] _counts = new long[64 << SubBits];

    public long Total { get; private set; }

    public void Count(long ticks)
    {
        _counts[BucketOf(ticks)]++;
        Total++;
    }

    public void Add(LatencyHistogram other)
    {
        for (int i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }

        Total += other.Total;
    }

    public void Clear()
    {
        Array.Clear(_counts);
        Total = 0;
    }

    /// <summary>The duration that this share of all stays below, in nanoseconds.</summary>
    public double NsAt(double share)
    {
        long rank = (long)Math.Ceiling(share * Total), seen = 0;
        for (int i = 0; i < _counts.Length; i++)
        {
            seen += _counts[i];
            if (seen >= rank && seen > 0)
            {
                return EndOf(i) * 1_000_000_000.0 / Stopwatch.Frequency;
            }
        }

        return 0;
    }

    private static int BucketOf(long ticks)
    {
        if (ticks < 1 << SubBits)
        {
            return (int)Math.Max(0, ticks);
        }

        int shift = BitOperations.Log2((ulong)ticks) - SubBits;
        return ((shift + 1) << SubBits) + (int)((ticks >> shift) - (1 << SubBits));
    }

    private static long EndOf(int bucket)
    {
        if (bucket < 1 << SubBits)
        {
            return bucket + 1;
        }

        int shift = (bucket >> SubBits) - 1;
        return (((bucket & ((1 << SubBits) - 1)) + (1L << SubBits)) << shift) + (1L << shift);
    }
}
