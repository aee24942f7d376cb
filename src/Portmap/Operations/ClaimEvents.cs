using System.Runtime.CompilerServices;
using Portmap.Diagnostics;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Tells of what took effect: the guard first, then the lease, the meter, the log and
/// those who watch.</summary>
/// <remarks>The guard comes first, so that whoever hears of a change finds the gate as it is to be.
/// Nothing here throws: the host's logger and listeners are contained
/// (<see cref="ContainedLogger"/>, <see cref="PortmapMetrics"/>).</remarks>
internal sealed class ClaimEvents(RegistryParts parts) : IClaimEvents
{
    [MethodImpl(MethodImplOptions.NoInlining)]   // views come in registers so; inlined, they are copied on the stack and waited for
    public void TookEffect(ClaimView claim, ClaimView used)
    {
        parts.Metrics.TookEffect(claim.IsLease);
        if (SessionHolder.Of(claim) is { } session)
        {
            if (parts.Guard is not NoGuard)
            {
                HandOver(claim, used, session);
            }

            if (ILease.Of(used) is { } lease)
            {
                lease.OnRegistered(claim.Claim!);
                TellOutside(lease, claim);
                parts.Fleet?.Moved(lease, claim.Claim!);
            }

            parts.Fleet?.Registered(claim.Owner);
            if (parts.Settings.Kept?.OwnerOf(claim.Port) is { } kept && kept != claim.Owner)
            {
                parts.Log.RegisteredKept(parts.Entries.Of(claim), kept);
            }
        }
        else if (!used.IsNone)
        {
            MovedLease.Tell(parts, ILease.Of(claim)!, used.Claim!, claim.Claim!);
        }

        if (parts.Log.TellsChanges)
        {
            parts.Log.TookEffect(parts.Entries.Of(claim));
        }

        if (parts.Changes.IsRecording)
        {
            TellEffect(claim, used);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // as above
    public void Ended(ClaimView claim, ClaimView winner, long now)
    {
        TellLease(claim, winner, now);

        // What continues over another session keeps its epoch and its placeholder, and has not
        // ended for anybody who watches.
        bool goesOn = winner.Epoch == claim.Epoch && winner.Port == claim.Port;
        if (!goesOn && parts.Guard is not NoGuard)
        {
            parts.Guard.Drop(claim.Guarded, keep: claim.Cause is ClaimEnd.Died or ClaimEnd.Disconnected, now);
        }

        parts.Fleet?.Ended(claim.Owner);
        PortChangeKind kind = KindOf(claim.Cause);
        parts.Metrics.Ended(kind);
        bool isTold = parts.Changes.IsRecording && !goesOn;
        bool isLogged = RegistryLog.Tells(kind) || (!goesOn && parts.Log.TellsChanges);
        if (!isTold && !isLogged)
        {
            return;
        }

        EntryFacts ended = PortEntries.FactsOfEnded(claim);   // whether a stranger has a port that could not be bound a look tells, and FoundForeign
        if (isLogged)
        {
            parts.Log.Ended(kind, parts.Entries.Of(ended), TimeSpan.FromMilliseconds(ILease.Of(claim) is { } lease ? LeaseTimes.TimeoutMs(parts, lease) : 0));
        }

        if (isTold)
        {
            parts.Changes.Append(kind, ended);
        }
    }

    private void HandOver(ClaimView claim, ClaimView used, SessionHolder session)
    {
        if (used.IsLease && used.Epoch != claim.Epoch)
        {
            parts.Guard.Drop(used.Guarded, keep: false, parts.NowMs);   // it holds the port by the epoch of the lease, and is known by no other
        }

        parts.Guard.HandOver(claim.Guarded, session.ProcessId);
    }

    public void Withdrew(ClaimView claim) => parts.Guard.GiveBack(claim.Guarded);

    public void FoundForeign(ClaimView marker)
    {
        parts.Metrics.FoundForeign();
        parts.Holders.Want(marker.Protocol, marker.Port);
        parts.Log.FoundForeign(marker.Protocol, marker.Port);
        if (parts.Changes.IsRecording)
        {
            parts.Changes.Append(PortChangeKind.FoundForeign, new EntryFacts(marker) { State = PortState.Foreign });
        }
    }

    /// <summary>Tells that lookups have stopped for what a session registered, which is held for
    /// its owner still.</summary>
    public void TellHidden(SessionHolder session)
    {
        if (!parts.Changes.IsRecording)
        {
            return;
        }

        foreach (OwnerView owner in parts.Table.Owners())
        {
            if (ReferenceEquals(owner.Served.Holder, session))
            {
                TellHidden(owner.Served);
            }
        }
    }

    private static PortChangeKind KindOf(ClaimEnd cause) => cause switch
    {
        ClaimEnd.Expired => PortChangeKind.Expired,
        ClaimEnd.Died => PortChangeKind.Died,
        ClaimEnd.Disconnected => PortChangeKind.Disconnected,
        ClaimEnd.Replaced => PortChangeKind.Replaced,
        ClaimEnd.LostToListener => PortChangeKind.Taken,
        ClaimEnd.BindFailed or ClaimEnd.Moved => PortChangeKind.BindFailed,
        ClaimEnd.StoppedListening => PortChangeKind.StoppedListening,
        _ => PortChangeKind.Released,
    };

    private void TellEffect(ClaimView claim, ClaimView used)
    {
        if (!claim.IsLease && used.IsLease && used.Epoch != claim.Epoch)
        {
            parts.Changes.Append(PortChangeKind.Replaced, PortEntries.FactsOfEnded(used));   // else of its epoch no end would be told
        }

        parts.Changes.Append(claim.IsLease ? PortChangeKind.Acquired : PortChangeKind.Registered, parts.Entries.FactsOf(claim), living: claim);
        if (claim.Holder is { IsServing: false })
        {
            TellHidden(claim);   // its connection broke off meanwhile, and the look at its owners may have passed
        }
    }

    private void TellOutside(ILease lease, ClaimView claim)
    {
        if (lease.Ports is { } ports && !parts.Pools.Find(ports, out _).Contains(claim.Port))
        {
            parts.Log.RegisteredOutside(parts.Entries.Of(claim), ports);
        }
    }

    private void TellHidden(ClaimView claim) =>
        parts.Changes.Append(PortChangeKind.Disconnected, PortEntries.FactsOfEnded(claim), living: claim);

    private void TellLease(ClaimView claim, ClaimView winner, long now)
    {
        if (ILease.Of(claim) is not { } lease || claim.Cause is ClaimEnd.BindFailed or ClaimEnd.Moved or ClaimEnd.Withdrawn)
        {
            return;
        }

        // The claim alone says why; its refusal is made when somebody asks. Only the winner of its
        // port would be lost.
        if (claim.Cause == ClaimEnd.LostToListener && !winner.IsNone)
        {
            lease.SetOutcome(Refusals.Taken(lease, claim, winner));
        }
        else
        {
            lease.SetOutcome(claim.Claim!);
        }

        EndOtherHalf(lease, claim, now);
    }

    /// <summary>The other half of a lease for both protocols ends with the first: all or
    /// nothing.</summary>
    private void EndOtherHalf(ILease lease, ClaimView ended, long now)
    {
        if (lease.Twin is not { } twin)
        {
            return;
        }

        ClaimView other = new(ended.Protocol == twin.Protocol ? lease.Claim : twin);   // by its protocol: the lease may not have been told yet what it moved to
        if (other.IsLease)
        {
            parts.Table.TryEnd(other, ended.Cause == ClaimEnd.LostToListener ? ClaimEnd.Released : ended.Cause, now);
        }
    }
}
