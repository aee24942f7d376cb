namespace Portmap.Rpc.Serving;

/// <summary>
/// How fast one connection may list: 200,000 entries a second, and 40,000 at once. Whoever goes on
/// is answered later, and nobody else.
/// </summary>
/// <remarks>
/// The generic cell rate algorithm (GCRA) of ATM: one time, at which all that was given out will
/// have been earned. Used by one call at a time.
/// </remarks>
internal struct ListingPace
{
    private static readonly TimeSpan s_perEntry = TimeSpan.FromMicroseconds(5);
    private static readonly TimeSpan s_atOnce = TimeSpan.FromMilliseconds(200);

    private TimeSpan _debt;
    private long _asOf;

    /// <summary>Counts the entries of a page that was written.</summary>
    public void Count(int entries, TimeProvider timeProvider)
    {
        Settle(timeProvider);
        _debt += entries * s_perEntry;
    }

    /// <summary>How long the next page has to wait.</summary>
    public TimeSpan Wait(TimeProvider timeProvider)
    {
        Settle(timeProvider);
        return _debt > s_atOnce ? _debt - s_atOnce : TimeSpan.Zero;
    }

    private void Settle(TimeProvider timeProvider)
    {
        long now = timeProvider.GetTimestamp();
        TimeSpan left = _debt == TimeSpan.Zero ? TimeSpan.Zero : _debt - timeProvider.GetElapsedTime(_asOf, now);
        _debt = left > TimeSpan.Zero ? left : TimeSpan.Zero;
        _asOf = now;
    }
}
