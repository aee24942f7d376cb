using Portmap.Diagnostics;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry : IClaimEvents
{
    /// <summary>Reports changes of the map as they happen.</summary>
    /// <param name="afterRevision">The last revision the reader has seen, from <see cref="Snapshot"/> or a change; -1, the default, begins now.</param>
    /// <param name="cancellationToken">Ends the enumeration with <see cref="OperationCanceledException"/>.</param>
    /// <returns>Changes in the order of their revisions, without gaps, until the registry is disposed. Any number may be read at once; each enumeration begins anew.</returns>
    /// <remarks>A slow reader costs nothing: the last <see cref="PortRegistryOptions.WatchCapacity"/> changes are kept for all readers together, and one
    /// that falls further behind is told so. Recording starts with the first call of this or of <see cref="Snapshot"/>.</remarks>
    /// <exception cref="PortRefusedException">While enumerating: RevisionTooOld, when that revision is no longer kept or is of an earlier run; take a snapshot.</exception>
    public IAsyncEnumerable<PortChange> Watch(long afterRevision = -1, CancellationToken cancellationToken = default)
    {
        long start = _changes.StartAndGetRevision();
        return _changes.ReadAsync(afterRevision == -1 ? start : afterRevision, cancellationToken);
    }

    /// <summary>Reports changes from now on, and tells from where: what a snapshot's revision is for those that need no snapshot.</summary>
    /// <param name="revision">The revision after which it begins. It can be handed to <see cref="Watch(long, CancellationToken)"/> as well.</param>
    /// <param name="cancellationToken">Ends the enumeration with <see cref="OperationCanceledException"/>.</param>
    /// <returns>As <see cref="Watch(long, CancellationToken)"/>. Who only wants to know the revision does not enumerate it.</returns>
    /// <remarks>Takes some ten nanoseconds, where <see cref="Snapshot"/> reads the whole map. Recording starts with it.</remarks>
    public IAsyncEnumerable<PortChange> Watch(out long revision, CancellationToken cancellationToken)
    {
        revision = _changes.StartAndGetRevision();
        return _changes.ReadAsync(revision, cancellationToken);
    }

    void IClaimEvents.TookEffect(PortClaim claim)
    {
        PortmapMetrics.TookEffect(claim.IsLease);
        if (!claim.IsLease)
        {
            _guard.HandOver(claim.Guarded, claim.Session!.ProcessId);   // first: whoever hears of the registration finds the gate closed
            claim.Consumes?.Lease?.OnRegistered(claim);
        }
        else if (claim.Consumes is { } failed)
        {
            claim.Lease!.OnHealed(failed, claim);
        }

        if (_changes.IsRecording)
        {
            if (claim is { IsLease: false, Consumes: { IsLease: true } used } && used.Epoch != claim.Epoch)
            {
                _changes.Append(PortChangeKind.Replaced, EntryOf(used) with { State = PortState.Cooling, OwnerCount = 0 });   // else of its epoch no end would be told
            }

            _changes.Append(claim.IsLease ? PortChangeKind.Acquired : PortChangeKind.Registered, EntryOf(claim), living: claim);
            if (claim.Session is { IsServing: false })
            {
                TellHidden(claim);   // its connection broke off meanwhile, and the look at its owners may have passed
            }
        }
    }

    void IClaimEvents.Withdrew(PortClaim claim) => _guard.Drop(claim.Guarded, keep: false, NowMs);

    void IClaimEvents.Ended(PortClaim claim, ClaimEnd cause, PortClaim? winner, long now)
    {
        // What continues over another session keeps its epoch and its placeholder, and has not ended for anybody who watches.
        bool goesOn = winner?.Epoch == claim.Epoch && winner.Port == claim.Port;
        if (!goesOn)
        {
            _guard.Drop(claim.Guarded, keep: cause is ClaimEnd.Died or ClaimEnd.Disconnected, now);
        }

        PortChangeKind kind = cause switch
        {
            ClaimEnd.Expired => PortChangeKind.Expired,
            ClaimEnd.Died => PortChangeKind.Died,
            ClaimEnd.Disconnected => PortChangeKind.Disconnected,
            ClaimEnd.Replaced => PortChangeKind.Replaced,
            ClaimEnd.Taken => PortChangeKind.Taken,
            ClaimEnd.BindFailed => PortChangeKind.BindFailed,
            ClaimEnd.StoppedListening => PortChangeKind.StoppedListening,
            _ => PortChangeKind.Released,
        };
        PortmapMetrics.Ended(kind);
        bool isTold = _changes.IsRecording && !goesOn;
        if (isTold || RegistryLog.Tells(kind))
        {
            PortEntry ended = EntryOf(claim) with { State = cause == ClaimEnd.BindFailed ? PortState.Foreign : PortState.Cooling, OwnerCount = 0 };
            _log.Ended(kind, ended);
            if (isTold)
            {
                _changes.Append(kind, ended);
            }
        }
    }

    void IClaimEvents.FoundForeign(PortClaim marker)
    {
        PortmapMetrics.FoundForeign();
        _holders.Want(marker.Protocol, marker.Port);
        _log.FoundForeign(marker.Protocol, marker.Port);
        if (_changes.IsRecording && TryGetIdleEntry(marker, out PortEntry entry))
        {
            _changes.Append(PortChangeKind.FoundForeign, entry);
        }
    }

    /// <summary>Lets the process of an open lease in; see <see cref="PortLease.OpenGate"/>.</summary>
    internal void OpenGate(PortLease lease)
    {
        OpenGate(lease.Claim);
        if (lease.Twin is { } twin)
        {
            OpenGate(twin);
        }
    }

    private void OpenGate(PortClaim claim)
    {
        if (claim.IsLease && _guard.Open(claim.Guarded) && _changes.IsRecording)
        {
            _changes.Append(PortChangeKind.GuaranteeChanged, EntryOf(claim), living: claim);
        }
    }

    /// <summary>Tells that lookups have stopped for what a session registered, which is held for its owner still.</summary>
    internal void TellHidden(PortSession session)
    {
        if (!_changes.IsRecording)
        {
            return;
        }

        foreach (OwnerCell cell in _table.Index.Cells())
        {
            if (cell.Served() is { } served && ReferenceEquals(served.Session, session))
            {
                TellHidden(served);
            }
        }
    }

    private void TellHidden(PortClaim claim) =>
        _changes.Append(PortChangeKind.Disconnected, EntryOf(claim) with { State = PortState.Cooling, OwnerCount = 0 }, living: claim);
}
