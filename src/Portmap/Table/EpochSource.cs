namespace Portmap.Table;

/// <summary>Draws epochs: unique, and higher than any epoch the caller names.</summary>
/// <remarks>
/// <code>
///   number = First + k * Spacing * stripes + stripe * Spacing        each stripe has the numbers of its own place only
/// </code>
/// A clock after Lamport for each processor: a stripe goes on from its last number, or from the one
/// the caller names, whichever is higher. So a caller never asks other processors for their
/// numbers, and one that names a number of another processor is answered with a higher one.
/// <para>A thread takes 16 numbers of a stripe at once, and draws from them without an atomic step
/// as long as one of them is above what the caller names.</para>
/// <para>Numbers go up by 16. The 15 below a lease's epoch stay free for processes that sign in
/// under the same owner without an epoch while the lease is open
/// (<see cref="PortClaim.DrawBelow"/>): such a claim ranks below the lease, which must still be
/// able to replace it. Not in a later run, which does not know how many were drawn.</para>
/// <list type="bullet">
/// <item>I1. A number is of one stripe only, by its place, and of one thread only: the CAS of the
/// stripe only ever raises it over the numbers that the thread takes. A thread draws its numbers
/// upwards.</item>
/// <item>I2. Callers name the highest epoch they know: that of the owner's claims, the last one of
/// its idle cell among them, or once it has no cell the mark that its last cell left
/// (<see cref="EpochMarks"/>), and that of the claims on the port
/// (<see cref="PortSlots.HighestEpoch(int)"/>).</item>
/// </list>
/// Progress: lock-free.
/// </remarks>
internal sealed class EpochSource
{
    /// <summary>How far apart drawn numbers are.</summary>
    public const int Spacing = 16;

    private const int Block = 16;

    private static long s_sources;

    // What this thread has taken: of which source, its next number, and the end.
    [ThreadStatic]
    private static long s_source;

    [ThreadStatic]
    private static long s_next;

    [ThreadStatic]
    private static long s_end;

    private readonly long _number = Interlocked.Increment(ref s_sources);
    private readonly Stripes _stripes;
    private bool _isStirred;
    private readonly long _round;

    /// <param name="first">The first epoch, a multiple of 16,384; lower ones are of an earlier
    /// run.</param>
    /// <param name="processors">How many threads draw at once.</param>
    public EpochSource(long first, int processors)
    {
        First = first;
        _stripes = new Stripes(processors);
        _round = (long)_stripes.Count * Spacing;
        for (int i = 0; i < _stripes.Count; i++)
        {
            _stripes[i] = first;
        }
    }

    public long First { get; }

    /// <summary>The first epoch of a run that knows of no earlier one: Unix milliseconds times
    /// 2^20, so that those of earlier runs are lower. A clock that is far off (before 1970, after
    /// 2109) still gives a positive one that leaves room above it.</summary>
    public static long FirstAt(DateTimeOffset now) => Math.Clamp(now.ToUnixTimeMilliseconds(), 0, 1L << 42) << 20;

    /// <summary>No number above this one was drawn before this was read.</summary>
    public long Last
    {
        get
        {
            long last = First;
            for (int i = 0; i < _stripes.Count; i++)
            {
                last = Math.Max(last, Volatile.Read(ref _stripes[i]));
            }

            return last;
        }
    }

    /// <summary>Whether a number was drawn since <see cref="Settle"/>; one that is drawn at the same
    /// moment may not count.</summary>
    public bool IsStirred => Volatile.Read(ref _isStirred);

    /// <summary>What was drawn until now does not count any more.</summary>
    public void Settle() => Volatile.Write(ref _isStirred, false);

    public long Next(long after)
    {
        if (!Volatile.Read(ref _isStirred))
        {
            Volatile.Write(ref _isStirred, true);   // once after each Settle, so that it stays in the caches of all
        }

        long next = s_next;
        if (s_source == _number && next < s_end)
        {
            next = next > after ? next : next + (((after - next) & -_round) + _round);
            if (next < s_end)
            {
                s_next = next + _round;
                return next;
            }
        }

        return Take(after);
    }

    /// <summary>Takes numbers for this thread, and draws the first.</summary>
    private long Take(long after)
    {
        int stripe = _stripes.Current;
        ref long place = ref _stripes[stripe];
        while (true)
        {
            long last = Volatile.Read(ref place);
            long next = NextOf(stripe, Math.Max(last, after));
            long end = next + (Block * _round);

            // Pairs with the same CAS of others on the stripe.
            Hook.At(Step.DrawEpoch);
            if (Interlocked.CompareExchange(ref place, end - _round, last) == last)
            {
                (s_source, s_next, s_end) = (_number, next + _round, end);
                return next;
            }
        }
    }

    /// <summary>The lowest number of a stripe that is above another one.</summary>
    private long NextOf(int stripe, long above)
    {
        long place = (long)stripe * Spacing;
        return ((above - place) & -_round) + _round + place;
    }
}
