namespace Portmap.Rpc.Serving;

/// <summary>
/// What one side of a connection waits for, and for how long: the side that waits only writes a
/// word, a timer reads the clock.
/// </summary>
/// <remarks>
/// <code>
///   word: turn (30 bits) │ what is waited for (2 bits)
/// </code>
/// Every wait has a turn of its own, so that the timer tells a new wait from a long one. One thread
/// at a time begins and ends waits; only the timer calls
/// <see cref="Elapsed"/>. A struct that changes: a field of its owner, never copied.
/// </remarks>
internal struct WaitMark
{
    private const int KindBits = 2;
    private const uint KindMask = (1 << KindBits) - 1;

    private uint _word;
    private uint _seen;
    private long _seenAt;

    /// <summary>Begins a wait, a new one even if it is for the same.</summary>
    public void Begin(WaitKind kind) => Volatile.Write(ref _word, (((_word >> KindBits) + 1) << KindBits) | (uint)kind);

    /// <summary>The wait that goes on, or <see cref="WaitKind.None"/>.</summary>
    public readonly WaitKind Kind => (WaitKind)(_word & KindMask);

    /// <summary>
    /// How long the timer has seen the wait that goes on; it may have begun a little earlier.
    /// </summary>
    /// <param name="timeProvider">The clock.</param>
    /// <param name="counts">Whether it counts now; if not, its time begins anew.</param>
    /// <param name="kind">What is waited for.</param>
    public TimeSpan Elapsed(TimeProvider timeProvider, bool counts, out WaitKind kind)
    {
        uint word = Volatile.Read(ref _word);
        long now = timeProvider.GetTimestamp();
        kind = (WaitKind)(word & KindMask);
        if (word != _seen || !counts)
        {
            _seen = word;
            _seenAt = now;
        }

        return timeProvider.GetElapsedTime(_seenAt, now);
    }
}
