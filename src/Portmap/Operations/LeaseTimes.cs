using Portmap.Table;

namespace Portmap.Operations;

/// <summary>How long open leases wait for their process.</summary>
/// <remarks>
/// <code>
///   end = the later of   when the claim took effect + the lease's time      the request's, or the options'
///                        what it was extended to
/// </code>
/// I1. A lease that is extended does not end before that by its time: who ends it closes its time
/// first, who extends it finds it closed, and both are one CAS of its extras.
/// </remarks>
internal static class LeaseTimes
{
    /// <summary>The shortest time that is given.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest one.</summary>
    public static readonly TimeSpan Most = TimeSpan.FromHours(24);

    /// <summary>How long a lease waits unless it is extended.</summary>
    public static long TimeoutMs(RegistryParts parts, ILease lease) =>
        Volatile.Read(ref lease.Extras)?.TimeoutMs is > 0 and long own ? own : parts.Settings.LeaseTimeoutMs;

    /// <summary>When the claim of a lease ends unless a process registers.</summary>
    public static long EndsAtMs(RegistryParts parts, ClaimView lease) => EndsAtMs(parts, lease, lease.AtMs);

    /// <param name="parts">What it works with.</param>
    /// <param name="lease">The claim of the lease.</param>
    /// <param name="atMs">When it took effect, or is about to.</param>
    public static long EndsAtMs(RegistryParts parts, ClaimView lease, long atMs)
    {
        LeaseExtras? extras = ILease.Of(lease) is { } its ? Volatile.Read(ref its.Extras) : null;
        return extras is null
            ? atMs + parts.Settings.LeaseTimeoutMs
            : Math.Max(atMs + (extras.TimeoutMs > 0 ? extras.TimeoutMs : parts.Settings.LeaseTimeoutMs), extras.ExtendedToMs);
    }

    /// <summary>Closes the time of a lease that is over; false while it is not. From then on it is
    /// not extended any more.</summary>
    public static bool TryClose(RegistryParts parts, ClaimView claim, long now)
    {
        if (ILease.Of(claim) is not { } lease)
        {
            return true;
        }

        ref LeaseExtras? place = ref lease.Extras;
        LeaseExtras? extras = Volatile.Read(ref place);
        while (EndsAtMs(parts, claim) <= now)
        {
            Hook.At(Step.CloseLeaseTime);
            LeaseExtras? seen = Interlocked.CompareExchange(ref place, (extras ?? LeaseExtras.Nothing) with { ClosedFor = claim.Claim }, extras);   // I1
            if (ReferenceEquals(seen, extras))
            {
                return true;
            }

            extras = seen;
        }

        return false;
    }

    /// <summary>Gives a lease time; false when its time is closed. Less than it has changes
    /// nothing.</summary>
    public static bool TryExtend(ILease lease, long toMs)
    {
        ref LeaseExtras? place = ref lease.Extras;
        LeaseExtras? extras = Volatile.Read(ref place);
        while (extras?.ClosedFor is not { } closed || !(ReferenceEquals(closed, lease.Claim) || ReferenceEquals(closed, lease.Twin)))
        {
            if (extras?.ExtendedToMs >= toMs)
            {
                return true;
            }

            Hook.At(Step.ExtendLease);
            LeaseExtras? seen = Interlocked.CompareExchange(ref place, (extras ?? LeaseExtras.Nothing) with { ExtendedToMs = toMs }, extras);   // I1
            if (ReferenceEquals(seen, extras))
            {
                return true;
            }

            extras = seen;
        }

        return false;
    }
}
