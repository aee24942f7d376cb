using System.Globalization;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The owners that this host holds alone in the fleet, and how it asks for them.</summary>
/// <remarks>
/// <code>
///   owner ──► bond, and its lease once that is granted        gone when nothing of the lease is in force
/// </code>
/// <para>I1. A bond is here before its lease can take effect, and until everything that came of the
/// lease has ended, also what the lease was not told of yet: whoever finds one of those looks at
/// the bond (<see cref="Serves"/>), whose clock says whether it counts. So it never answers for an
/// owner that was lost, also when this process has just woken and nobody has told it. Whoever finds
/// no bond looks at what was found once more, for its end takes the bond away
/// (<see cref="Answer"/>).</para>
/// <para>I2. Who finds that the owner was lost ends the lease and its registration there and then,
/// as the fleet's own word does.</para>
/// <para>I3. The bonds are a dictionary that nobody changes and that is replaced whole by a CAS: a
/// claim takes a round over the network, so that a copy of some thousand references does not
/// count.</para>
/// <para>I4. Before a bond is lost or given back the epoch of its lease is closed
/// (<see cref="EpochFence.Close"/>): "the same again" would be served here without one. What was on
/// its way by then is answered to nobody (<see cref="IsOver"/>), and ends when it has taken
/// effect.</para>
/// Progress: a look is wait-free and allocates nothing; ending is that of the table; keeping and
/// removing a bond is lock-free.
/// </remarks>
internal sealed class FleetBonds
{
    private readonly PortTable _table;
    private readonly EpochFence _fence;
    private readonly RegistryClock _clock;
    private readonly Func<string, Task<(long Epoch, Func<bool> IsHeld, CancellationToken Lost, IAsyncDisposable Claim)>> _claim;
    private Dictionary<string, Tie> _ties = new(StringComparer.Ordinal);

    public FleetBonds(PortTable table, EpochFence fence, RegistryClock clock, Func<string, Task<(long Epoch, Func<bool> IsHeld, CancellationToken Lost, IAsyncDisposable Claim)>> claim)
    {
        _table = table;
        _fence = fence;
        _clock = clock;
        _claim = claim;
    }

    private Dictionary<string, Tie> Ties => Volatile.Read(ref _ties);   // pairs with Change

    /// <summary>Whether what the table shows of an owner counts: it is of this host only, or held
    /// in the fleet. Wait-free, but where this is the first to see that the owner was
    /// lost.</summary>
    public bool Serves(ReadOnlySpan<char> owner)
    {
        if (!Ties.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(owner, out Tie? tie) || tie.Bond.IsHeld)
        {
            return true;
        }

        Lose(tie);
        return false;
    }

    /// <summary>What a lookup answers that has found a claim of an owner. Wait-free.</summary>
    /// <remarks>A bond that is not here was never there, or has gone with the claim: one that is in
    /// force after the look had none. Else, also when it had ended before its word was read, the
    /// owner is looked at once more, and what is found then came during this call, by a bond of its
    /// own.</remarks>
    public ClaimView Answer(PortProtocol protocol, ReadOnlySpan<char> owner, ClaimView found)
    {
        if (found.IsNone || !Serves(owner) || IsOver(found))
        {
            return default;
        }

        if (found.Stage is ClaimStage.Bound or ClaimStage.Reserved && found.Now().Stage == found.Stage)
        {
            return found;
        }

        found = _table.Find(protocol, owner);
        return !found.IsNone && Serves(owner) && !IsOver(found) ? found : default;
    }

    /// <summary>The port of an owner whose registration counts; 0 is none. Wait-free.</summary>
    public int PortOf(PortProtocol protocol, ReadOnlySpan<char> owner)
    {
        ClaimView served = Answer(protocol, owner, _table.Find(protocol, owner));
        return served.IsNone || served.IsLease ? 0 : served.Port;
    }

    /// <summary>What a lookup answers that has found the entry of a port; it is read again until it
    /// is the same after the look at its owner, at most twice. Wait-free.</summary>
    public bool AnswerPort(PortEntries entries, int port, ref PortEntry entry)
    {
        for (int look = 0; look < 2; look++)
        {
            bool serves = Serves(entry.Owner);
            (long? epoch, PortState state) = (entry.Epoch, entry.State);
            if (!entries.TryFind(entry.Protocol, port, out entry, out ClaimView found) || IsOver(found))
            {
                return false;
            }

            if (serves && entry.Epoch == epoch && entry.State == state)
            {
                return true;
            }
        }

        return Serves(entry.Owner);
    }

    /// <summary>Claims an owner; the bond is known from now on.</summary>
    /// <exception cref="PortRefusedException">Somebody else has it, or the fleet does not
    /// answer.</exception>
    public async Task<FleetBond> ClaimAsync(string owner)
    {
        (long epoch, Func<bool> isHeld, CancellationToken lost, IAsyncDisposable claim) = await _claim(owner).ConfigureAwait(false);
        FleetBond bond = new(epoch, isHeld, claim);
        Change(owner, new Tie(owner, bond), replaces: null);
        lost.UnsafeRegister(_ => Lose(owner, bond), null);
        return bond;
    }

    /// <summary>Ties a lease that was granted to its bond. It may be over, and the owner lost,
    /// already.</summary>
    public void Bind(FleetBond bond, ILease lease)
    {
        LeaseExtras.SetBond(ref lease.Extras, bond);
        if (!Ties.TryGetValue(lease.Owner, out Tie? tie) || tie.Bond != bond)
        {
            End(lease, bond);   // lost before it was granted, and somebody has claimed the owner anew
            return;
        }

        Interlocked.Exchange(ref tie.Lease, lease);   // a full fence before the looks below: who ends the lease or loses the owner meanwhile sees it here, or is seen by them
        Untie(tie);
        if (!bond.IsHeld)
        {
            Lose(tie);
        }
    }

    /// <summary>Nothing came of a claim.</summary>
    public void GiveBack(string owner, FleetBond bond)
    {
        if (Ties.TryGetValue(owner, out Tie? tie) && tie.Bond == bond)
        {
            Remove(tie);
        }
    }

    /// <summary>A registration took effect. One that was on its way when the owner was lost, or
    /// given back, ends here.</summary>
    public void Registered(string owner)
    {
        if (Ties.TryGetValue(owner, out Tie? tie) && !tie.Bond.IsHeld)
        {
            Lose(tie);
        }

        if (_fence.ClosedOf(owner) is not 0 and long closed)
        {
            EndServed(PortProtocol.Tcp, owner, closed);
            EndServed(PortProtocol.Udp, owner, closed);
        }
    }

    /// <summary>A lease is another claim now: on another port, because one could not be bound, or a
    /// registration. Who lost the owner or gave it back meanwhile ended the claim that the lease said
    /// before, and knew of no other.</summary>
    public void Moved(ILease lease, PortClaim to)
    {
        Interlocked.MemoryBarrier();   // the lease says it: who loses the owner from here on sees it there, who did before is seen below
        if (Volatile.Read(ref lease.Extras)?.Bond is not { } bond)
        {
            return;   // of this host only; or who binds it looks after this
        }

        bool isTied = Ties.TryGetValue(lease.Owner, out Tie? tie) && tie.Bond == bond;
        if (isTied && bond.IsHeld)
        {
            return;
        }

        _fence.Close(lease.Owner, to.Origin);   // of two halves the second may move first, and the lease says the epoch of the first
        if (isTied)
        {
            Lose(tie!);
        }
        else
        {
            End(lease, bond);
        }

        End(to);
    }

    /// <summary>Something of an owner has ended.</summary>
    public void Ended(string owner)
    {
        if (Ties.TryGetValue(owner, out Tie? tie))
        {
            Untie(tie);
        }
    }

    /// <summary>Ends what was lost and not seen yet; before a look at everything.</summary>
    public void EndLost()
    {
        foreach (KeyValuePair<string, Tie> pair in Ties)
        {
            if (!pair.Value.Bond.IsHeld)
            {
                Lose(pair.Value);
            }
        }
    }

    /// <summary>Ends everything.</summary>
    public void LoseAll()
    {
        foreach (KeyValuePair<string, Tie> pair in Ties)
        {
            Lose(pair.Value);
        }
    }

    /// <summary>What a process is answered that registers by an epoch whose claim in the fleet is
    /// over.</summary>
    /// <remarks>The epoch is named as the holder's too, so that the worker does not take itself for
    /// one of an earlier run and register without it.</remarks>
    public static PortRefusal Closed(Place wanted, long epoch) => new(
        PortRefusalReason.Stale,
        () => string.Create(CultureInfo.InvariantCulture, $"The claim of {wanted.Owner} with epoch {epoch} has ended: this host no longer holds the owner in the fleet. Acquire again."),
        wanted.Owner, wanted.Port, wanted.Protocol)
    { Holder = wanted.Owner, HolderEpoch = epoch };

    /// <summary>Whether a claim in force goes back to a lease whose claim in the fleet is over. Who
    /// registered by its epoch just before that was seen may have to end it yet
    /// (<see cref="Registered"/>), and another host may have the owner.</summary>
    private bool IsOver(ClaimView found) =>
        found.Stage is ClaimStage.Bound or ClaimStage.Reserved && _fence.ClosedOf(found.Owner) is not 0 and long closed && found.IsOf(closed);

    private static PortRefusal Lost(ILease lease, FleetBond bond) => new(
        PortRefusalReason.LeaseEnded,
        () => string.Create(CultureInfo.InvariantCulture, $"The lease {lease.Epoch} of {lease.Owner} ended: this host lost the owner in the fleet, which it held by epoch {bond.Epoch}. Stop its workers, and acquire again."),
        lease.Owner, lease.Port, lease.Protocol);

    private void Lose(string owner, FleetBond bond)
    {
        if (Ties.TryGetValue(owner, out Tie? tie) && tie.Bond == bond)
        {
            Lose(tie);   // else it was given back, and nothing is left that could end
        }
    }

    private void Lose(Tie tie)
    {
        tie.Bond.Lose();
        if (Volatile.Read(ref tie.Lease) is not { } lease)
        {
            return;   // who acquires looks when it is granted, and meanwhile nothing is served
        }

        End(lease, tie.Bond);
        Untie(tie);
    }

    /// <summary>Ends a lease whose owner is not held, and what came of it.</summary>
    private void End(ILease lease, FleetBond bond)
    {
        _fence.Close(lease.Owner, OriginOf(lease));
        lease.SetOutcome(Lost(lease, bond));   // before the end of its claim, which would say less
        EndHalves(lease);
    }

    private void EndHalves(ILease lease)
    {
        End(lease.Claim);
        End(lease.Twin);
    }

    /// <summary>The epoch that both halves of a lease, and all that comes of them, go back to. A
    /// registration of one may have drawn a higher one.</summary>
    private static long OriginOf(ILease lease) => lease.Claim.Origin;

    /// <summary>Ends what is in force of one half of a lease. A registration of it that waits for
    /// the disk still is ended when it takes effect (<see cref="Registered"/>).</summary>
    private void End(PortClaim? half)
    {
        if (half is null)
        {
            return;
        }

        _table.TryEnd(new ClaimView(half), ClaimEnd.Released, _clock.NowMs);
        EndServed(half.Protocol, new ClaimView(half).Owner, half.Origin);   // it went on over another session, or on another port
    }

    private void EndServed(PortProtocol protocol, string owner, long origin)
    {
        ClaimView served = _table.FindServed(protocol, owner);
        if (served.IsOf(origin))
        {
            _table.TryEnd(served, ClaimEnd.Released, _clock.NowMs);
        }
    }

    /// <summary>Gives the owner back when nothing of the lease is in force any more.</summary>
    private void Untie(Tie tie)
    {
        if (Volatile.Read(ref tie.Lease) is { } lease && !lease.IsOpen && !IsInForce(lease, lease.Claim) && !IsInForce(lease, lease.Twin))
        {
            Remove(tie);
        }
    }

    /// <summary>What is pending counts only when it has used up the lease: else it fails without
    /// it, and nobody tells of that.</summary>
    private bool IsInForce(ILease lease, PortClaim? half) => half is not null && new ClaimView(half) switch
    {
        { Stage: ClaimStage.Reserved or ClaimStage.Bound } => true,
        { Cause: ClaimEnd.UsedUp } => _table.HasLive(_table.Key(half.Protocol, lease.Owner), half.Origin, out _),
        { Cause: ClaimEnd.Moved } when _table.HasLive(_table.Key(half.Protocol, lease.Owner), lease) => true,   // it moves, and was not told so yet
        _ => _table.FindServed(half.Protocol, lease.Owner).IsOf(half.Origin),   // it went on over another session
    };

    private void Remove(Tie tie)
    {
        ILease? lease = Volatile.Read(ref tie.Lease);
        if (lease is not null)
        {
            _fence.Close(tie.Owner, OriginOf(lease));
        }

        if (!Change(tie.Owner, to: null, replaces: tie))
        {
            return;
        }

        if (lease is not null)
        {
            EndHalves(lease);   // it may have moved since the look that found nothing in force, and Moved have seen the bond
        }

        tie.Bond.GiveBack();
    }

    /// <summary>Keeps another bond of an owner, or none: whatever is kept, or only where it is a
    /// certain one.</summary>
    private bool Change(string owner, Tie? to, Tie? replaces)
    {
        while (true)
        {
            Dictionary<string, Tie> seen = Ties;
            if (replaces is not null && seen.GetValueOrDefault(owner) != replaces)
            {
                return false;
            }

            Dictionary<string, Tie> next = new(seen, StringComparer.Ordinal);
            if (to is null)
            {
                next.Remove(owner);
            }
            else
            {
                next[owner] = to;
            }

            if (Interlocked.CompareExchange(ref _ties, next, seen) == seen)   // publishes the bond to all that look
            {
                return true;
            }
        }
    }

    /// <summary>A bond, and the lease it is for once that is granted.</summary>
    private sealed class Tie(string owner, FleetBond bond)
    {
        public ILease? Lease;

        public string Owner => owner;

        public FleetBond Bond => bond;
    }
}
