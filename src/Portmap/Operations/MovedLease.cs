using Portmap.Table;

namespace Portmap.Operations;

/// <summary>A lease whose port could not be bound has another one before it says so: whoever made
/// that take effect may be suspended before he tells it.</summary>
internal static class MovedLease
{
    /// <summary>Tells a lease where a half of it has moved to, and whoever holds its owner in the
    /// fleet. One that has ended meanwhile ends there too.</summary>
    public static void Tell(RegistryParts parts, ILease lease, PortClaim from, PortClaim to)
    {
        lease.OnHealed(from, to);
        parts.Fleet?.Moved(lease, to);
        if (!lease.IsOpen && !parts.IsDisposed)   // which is no end of the claim: it comes back with the state
        {
            parts.Table.TryEnd(new ClaimView(to), ClaimEnd.Released, parts.NowMs);   // who ended it, or its other half, knew of no other claim
        }
    }

    /// <summary>Tells a lease where it has moved to.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="from">What it said it was.</param>
    /// <returns>Whether it is another claim now.</returns>
    public static async ValueTask<bool> FollowAsync(RegistryParts parts, ILease lease, PortClaim from)
    {
        await TellAsync(parts, lease, lease.Claim).ConfigureAwait(false);
        if (lease.Twin is { } twin)
        {
            await TellAsync(parts, lease, twin).ConfigureAwait(false);
        }

        return !ReferenceEquals(lease.Claim, from);
    }

    private static async ValueTask TellAsync(RegistryParts parts, ILease lease, PortClaim half)
    {
        if (new ClaimView(half).Cause == ClaimEnd.Moved && await FindOpenAsync(parts, lease, half.Protocol).ConfigureAwait(false) is { IsNone: false } open)
        {
            Tell(parts, lease, half, open.Claim!);
        }
    }

    /// <summary>The claim of a lease that is open in a protocol, once nothing is pending on its
    /// owner; or none.</summary>
    public static async ValueTask<ClaimView> FindOpenAsync(RegistryParts parts, ILease lease, PortProtocol protocol)
    {
        ClaimView open = (await Inspection.RunAsync(parts, parts.Table.Key(protocol, lease.Owner)).ConfigureAwait(false)).Lease;
        return ReferenceEquals(open.Lease, lease) ? open : default;
    }
}
