using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Gives an open lease more time.</summary>
/// <remarks>
/// <code>
///   1. find the lease           by the object, or by what its owner has
///   2. hold it against the caller's right
///   3. give it the time         one CAS, unless its time is closed (LeaseTimes)
///   4. find its claims          once nothing is pending: it may go on with another port, or one half of it may be used up
///   5. write its fact again     of two facts of one epoch the one that lasts longer stands
/// </code>
/// </remarks>
internal static class Extension
{
    /// <summary>What is wrong with the time somebody asks for, or null.</summary>
    public static PortRefusal? CheckTime(TimeSpan? time, string owner, PortProtocol protocol) =>
        time is { } asked && (asked < LeaseTimes.Least || asked > LeaseTimes.Most) ? Refusals.InvalidTime(owner, protocol, asked) : null;

    /// <summary>By the lease.</summary>
    public static async Task RunAsync(RegistryParts parts, ILease lease, TimeSpan time)
    {
        parts.ThrowIfDisposed();
        parts.LoseIfOver(lease.Owner);
        parts.Counted(CheckTime(time, lease.Owner, lease.Protocol))?.Throw();
        ClaimView claim = new(lease.Claim);
        for (PortClaim? said = null; !IsOpen(claim) && !ReferenceEquals(said, lease.Claim);)
        {
            said = lease.Claim;
            await MovedLease.FollowAsync(parts, lease, said).ConfigureAwait(false);
            claim = OpenHalf(lease);
        }

        if (!IsOpen(claim) || !LeaseTimes.TryExtend(lease, parts.NowMs + (long)time.TotalMilliseconds))
        {
            parts.Counted(Refusals.LeaseOver(lease)).Throw();
        }

        if (parts.Journal is null && IsOpen(claim.Now()))
        {
            return;
        }

        // Its claim may be another one by now, on another port, whose fact does not know of the time;
        // or one half is used up, and the other waits; or it has ended in another way.
        ClaimView open = await MovedLease.FindOpenAsync(parts, lease, lease.Claim.Protocol).ConfigureAwait(false);
        ClaimView twin = lease.Twin is { } its ? await MovedLease.FindOpenAsync(parts, lease, its.Protocol).ConfigureAwait(false) : default;
        if (open.IsNone && twin.IsNone)
        {
            parts.Counted(Refusals.LeaseOver(lease)).Throw();
        }

        if (parts.Journal is not { } journal)
        {
            return;
        }

        if (!journal.TryQueueAgain(open, twin))
        {
            parts.ThrowIfDisposed();   // its end alone ends the writer
        }

        if (journal.Confirms && await journal.FlushAsync().ConfigureAwait(false) is { } failure)
        {
            parts.Counted(Refusals.StoreFailed(lease.Owner, claim.Protocol, failure)).Throw();
        }
    }

    /// <summary>Over a session, which needs the right to use the lease.</summary>
    public static async Task<ILease> RunAsync(RegistryParts parts, SessionHolder session, PortClaimRequest request, TimeSpan time)
    {
        parts.ThrowIfDisposed();
        PortRefusal? refusal = Refusals.CheckOwnerAndProtocol(request.Owner, request.Protocol, both: false)
            ?? CheckTime(time, request.Owner, request.Protocol)
            ?? (session.IsConnected ? null : Refusals.SessionEnded(session, request.Owner, request.Protocol));
        parts.Counted(refusal)?.Throw();
        OwnerKey owner = parts.Table.Key(request.Protocol, request.Owner);
        long epoch = parts.Fence.Resolve(owner, request.Epoch ?? 0, session);
        OwnerView has = await Inspection.RunAsync(parts, owner).ConfigureAwait(false);
        if (has.Lease.Lease is not ILease lease || (epoch != 0 && epoch != has.Lease.Epoch))
        {
            throw new PortRefusedException(parts.Counted(Refusals.NoSuchLease(request, epoch, has.Newest)));
        }

        ClaimView against = OwnerRights.AgainstUse(session, has.Lease, has.Served);
        if (!against.IsNone)
        {
            parts.Counted(Refusals.NotOwner(request.Owner, against, session)).Throw();
        }

        await RunAsync(parts, lease, time).ConfigureAwait(false);
        return lease;
    }

    /// <summary>The claim by which a lease is open: the second half where the first is used up and
    /// the second waits.</summary>
    public static ClaimView OpenHalf(ILease lease)
    {
        ClaimView first = new(lease.Claim);
        return !IsOpen(first) && lease.Twin is { } twin && IsOpen(new(twin)) ? new(twin) : first;
    }

    private static bool IsOpen(ClaimView claim) => claim is { IsLease: true, Stage: ClaimStage.Pending or ClaimStage.Reserved };
}
