using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Portmap.Diagnostics;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry : IClaimEvents
{
    /// <summary>Follows the map: first all of it, then what changes, in batches and without a gap.</summary>
    /// <param name="afterRevision">
    /// The last revision the reader has seen: it begins with the change after that. null, the default, begins with a
    /// snapshot.
    /// </param>
    /// <param name="snapshots">
    /// Whether the reader wants snapshots. false is for one that keeps no copy of the map: where a snapshot would come,
    /// it is given an update without changes, at once and without a look at the map. Without a revision it begins with
    /// this call.
    /// </param>
    /// <param name="cancellationToken">Ends the enumeration with <see cref="OperationCanceledException"/>.</param>
    /// <returns>
    /// Updates until the registry is disposed. A snapshot takes the place of all that the reader knew. It comes again
    /// whenever changes cannot be told without a gap: the reader fell behind, or came with a revision that is not kept
    /// any more or is of an earlier run. Any number may be read at once; each enumeration begins anew.
    /// </returns>
    /// <remarks>
    /// <para>A slow reader costs nothing and holds nobody up: the last <see cref="PortRegistryOptions.WatchCapacity"/>
    /// changes are kept for all readers together. An enumerator may be disposed while it waits; that wait answers
    /// false.</para>
    /// <para>Recording starts with the first call of this or of <see cref="Snapshot"/>. Who mirrors the map keeps one
    /// entry for each claim, by the rule that <see cref="PortChange"/> states.</para>
    /// </remarks>
    public IAsyncEnumerable<PortUpdate> WatchAsync(long? afterRevision = null, bool snapshots = true, CancellationToken cancellationToken = default)
    {
        long begin = _changes.StartAndGetRevision();
        return new StoppableSequence<PortUpdate>(token => ReadChangesAsync(afterRevision, begin, snapshots, token), cancellationToken);
    }

    private async IAsyncEnumerable<PortUpdate> ReadChangesAsync(
        long? afterRevision, long begin, bool snapshots, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long revision = afterRevision ?? begin;
        if (afterRevision is null)
        {
            PortUpdate first = snapshots ? new PortUpdate(Snapshot()) : new PortUpdate(begin, []);
            revision = first.Revision;
            yield return first;
        }

        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Task changed = _changes.Changed;   // before the look, so that a change that comes after the look wakes us
            if (!_changes.TryRead(revision, out ImmutableArray<PortChange> changes))
            {
                PortUpdate anew = snapshots ? new PortUpdate(Snapshot()) : new PortUpdate(_changes.StartAndGetRevision(), []);
                revision = anew.Revision;
                yield return anew;
            }
            else if (changes is [.., { } newest])
            {
                revision = newest.Revision;
                yield return new PortUpdate(revision, changes);
            }
            else if (_changes.IsCompleted)
            {
                yield break;
            }
            else
            {
                await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    void IClaimEvents.TookEffect(PortClaim claim)
    {
        PortmapMetrics.TookEffect(claim.IsLease);
        if (!claim.IsLease)
        {
            _guard.HandOver(claim.Guarded, claim.Session!.Process.Id);   // first: whoever hears of the registration finds the gate closed
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
