namespace Portmap.Table;

/// <summary>What is found by port.</summary>
/// <remarks>The slot only leads to cells, so whoever comes by port asks the same cells as who comes
/// by owner. Progress: wait-free.</remarks>
internal sealed class PortLookup(TableParts parts, ClaimFacts facts)
{
    /// <summary>The registration that lookups serve on a port, where it has the port alone and tops
    /// its owner, as it nearly always does; else none: <see cref="Find"/> tells.</summary>
    /// <remarks>Linearization: it was the top of its owner when that was read, and nobody pushes
    /// above a pending claim; so if it is found Bound after that, there was a moment of this call
    /// at which it was served. Its holder is read last, and one that serves no more never serves
    /// again.</remarks>
    public ClaimView FindOnly(PortProtocol protocol, int port)
    {
        if (parts.Space(protocol).Slots[port] is PortClaim only && only.Cell is { } cell && ReferenceEquals(cell.Top, only))
        {
            ClaimView seen = new(only);
            return seen.Stage == ClaimStage.Bound && seen.Holder!.IsServing ? seen : default;
        }

        return default;
    }

    /// <summary>What a lookup of the port answers.</summary>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port, 1 to 65535.</param>
    /// <param name="state">Bound, Reserved; Recovered or Cooling with the claim that keeps others
    /// off; Foreign with its marker; Free with none.</param>
    public ClaimView Find(PortProtocol protocol, int port, out PortState state)
    {
        if (CurrentOn(protocol, port, out PortClaim? newest) is { } current)
        {
            state = current.IsLease ? PortState.Reserved : PortState.Bound;
            return new ClaimView(current);
        }

        state = PortState.Free;
        if (newest is null)
        {
            return default;
        }

        ClaimView idle = new(newest.Meant);
        long now = parts.Clock.NowMs;
        PortSpace space = parts.Space(protocol);
        if (IsHeldUnseen(newest))
        {
            state = PortState.Cooling;
            if (newest.Cell!.Served() is { Holder.IsRecovered: true } recovered)
            {
                state = PortState.Recovered;
                return new ClaimView(recovered);
            }
        }
        else if (idle.Stage == ClaimStage.Foreign && !space.IsDue(idle.Word, now))
        {
            state = PortState.Foreign;
        }
        else if (idle.Stage == ClaimStage.Ended && space.CoolsForMs(idle.Claim!, idle.Word, now) > 0)
        {
            state = PortState.Cooling;
        }

        return state == PortState.Free ? default : idle;
    }

    /// <summary>The claims of all owners that lookups see on a port.</summary>
    public List<ClaimView> Owners(PortProtocol protocol, int port)
    {
        List<ClaimView> owners = [];
        object? slot = parts.Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (VisibleOn(claim) is { } visible)
            {
                owners.Add(new ClaimView(visible));
            }
        }

        if (owners.Count == 0 && CurrentOn(protocol, port, out _) is { } current)
        {
            owners.Add(new ClaimView(current));   // one went and another came between the looks
        }

        return owners;
    }

    /// <summary>How many owners lookups see on a port that has one at least.</summary>
    public int CountOwners(PortProtocol protocol, int port)
    {
        object? slot = parts.Space(protocol).Slots[port];
        if (slot is PortClaim)
        {
            return 1;   // who asks has seen it
        }

        int count = 0;
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            count += IsServedTop(claim) || VisibleOn(claim) is not null ? 1 : 0;
        }

        return count;
    }

    /// <summary>The registrations in force on a port, served or not.</summary>
    public List<ClaimView> Registrations(PortProtocol protocol, int port)
    {
        List<ClaimView> registrations = [];
        object? slot = parts.Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Cell?.InForceOn(port) is { IsLease: false } holder)
            {
                registrations.Add(new ClaimView(holder));
            }
        }

        return registrations;
    }

    /// <summary>Whether a process of an owner died on a port, which cools since: what a placeholder
    /// that is kept waits for.</summary>
    public bool CoolsAfterDeathOf(OwnerKey owner, int port, long now)
    {
        PortSpace space = parts.Space(owner.Protocol);
        object? slot = space.Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            PortClaim meant = claim.Meant;
            ClaimWord word = meant.Word;
            if (word.Stage == ClaimStage.Ended && word.Cause is ClaimEnd.Died or ClaimEnd.Disconnected && meant.Cell?.Owner == owner.Owner)
            {
                return space.CoolsForMs(meant, word, now) > 0;
            }
        }

        return false;
    }

    /// <summary>Whether a port may be taken for an acquisition now.</summary>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port.</param>
    /// <param name="asksFor">Who asks for this very port: it may have one that cools after itself.
    /// null: anybody.</param>
    /// <param name="takeCooling">Also one that cools after another.</param>
    /// <param name="now">The time.</param>
    public PortView Look(PortProtocol protocol, int port, string? asksFor, bool takeCooling, long now)
    {
        PortSpace space = parts.Space(protocol);
        object? slot = space.Slots[port];
        long highestEpoch = 0;
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            ClaimWord word = claim.Word;
            highestEpoch = Math.Max(highestEpoch, claim.Epoch);
            if (word.Stage == ClaimStage.Foreign)
            {
                if (!space.IsDue(word, now))
                {
                    return new PortView(PortAvailability.Foreign, slot, highestEpoch, word.At);
                }

                continue;
            }

            if (word.Stage == ClaimStage.Pending || (!IsAllOver(slot, claim, word) && claim.Cell?.HolderOf(port) is not null))
            {
                return new PortView(PortAvailability.InUse, slot, highestEpoch, now);
            }

            PortClaim meant = claim.Meant;
            word = meant.Word;   // again: it may have ended between the two looks, and then it cools
            if (word.Waits)
            {
                facts.Queue(meant, word);
                return new PortView(PortAvailability.Unwritten, slot, highestEpoch, now);
            }

            if (!takeCooling && word.Stage == ClaimStage.Ended && space.CoolsForMs(meant, word, now) > 0
                && (asksFor is null || meant.Cell?.Owner != asksFor))
            {
                return new PortView(PortAvailability.Cooling, slot, highestEpoch, word.At);
            }
        }

        return new PortView(PortAvailability.Free, slot, highestEpoch, now);
    }

    /// <summary>What cools on a port that was seen free because whoever asks may have it all the
    /// same; or null. Of several the one that ended last.</summary>
    public PortClaim? CoolingOn(PortProtocol protocol, in PortView seen, long now)
    {
        PortClaim? last = null;
        object? slot = seen.Slot;
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            PortClaim meant = claim.Meant;
            ClaimWord word = meant.Word;
            if (parts.Space(protocol).Cools(meant, word, now))
            {
                last = last is null || word.At > last.Word.At ? meant : last;
            }
        }

        return last;
    }

    /// <summary>A port was named as free, and is not: its bit goes, unless it has become free
    /// since.</summary>
    /// <remarks>The bit of a port stays while the port is held, so that one which comes back costs
    /// no write of it; whoever meets it takes it off. Who ended the claim, or drained the port, may
    /// have seen the bit before that, and then relies on it: so the port is looked at again. Taking
    /// the bit is a full fence, as the CAS that ends a claim is; one of the two sees the
    /// other.</remarks>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port.</param>
    public void TakeOff(PortProtocol protocol, int port)
    {
        PortHints hints = parts.Space(protocol).Hints;
        if (!hints.TryTakeFree(port))
        {
            return;
        }

        PortView seen = Look(protocol, port, asksFor: null, takeCooling: false, parts.Clock.NowMs);   // at the time it is now: a port may have been drained meanwhile
        if (seen.Availability == PortAvailability.Free)
        {
            hints.Offer(port);
        }
        else
        {
            hints.PutOff(port, seen);
        }
    }

    /// <summary>Whether a stranger's mark lies on a port, or a lease of another owner.</summary>
    public bool IsForeignOrReserved(PortProtocol protocol, int port, string owner)
    {
        object? slot = parts.Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            ClaimWord word = claim.Word;
            if (word.Stage == ClaimStage.Foreign || (claim.IsLease && word.IsLive && claim.Cell?.Owner != owner))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether an acquisition may have a port now, whoever asks.</summary>
    public bool IsFree(PortProtocol protocol, int port) =>
        Look(protocol, port, asksFor: null, takeCooling: false, parts.Clock.NowMs).Availability == PortAvailability.Free;

    /// <summary>Whether an owner other than one has a claim in force on a port.</summary>
    public bool IsAnothers(PortProtocol protocol, int port, string owner) => parts.IsAnothers(protocol, port, owner);

    /// <summary>The highest epoch that has been on a port.</summary>
    public long HighestEpoch(PortProtocol protocol, int port) => parts.Space(protocol).Slots.HighestEpoch(port);

    /// <summary>The ports that anybody ever had.</summary>
    public IEnumerable<int> Used(PortProtocol protocol) => parts.Space(protocol).Slots.Used();

    /// <summary>How many of some ports are in which state.</summary>
    public PortCounts Count(PortProtocol protocol, PortPool pool)
    {
        int reserved = 0, bound = 0, cooling = 0, foreign = 0;
        long now = parts.Clock.NowMs;
        PortSpace space = parts.Space(protocol);
        foreach (int port in pool.Ranges.SelectMany(range => Enumerable.Range(range.First, range.Count)))
        {
            object? slot = space.Slots[port];
            PortClaim? holder = null;
            bool isForeign = false, isCooling = false;   // one port, also of several owners
            foreach (PortClaim claim in PortSlots.Claims(ref slot))
            {
                PortClaim meant = claim.Meant;
                ClaimWord word = meant.Word;
                holder ??= claim.Cell?.HolderOf(port);
                isForeign |= word.Stage == ClaimStage.Foreign && !space.IsDue(word, now);
                isCooling |= word.Stage == ClaimStage.Ended && space.CoolsForMs(meant, word, now) > 0;
            }

            reserved += holder is { IsLease: true } ? 1 : 0;
            bound += holder is { IsLease: false } ? 1 : 0;
            foreign += holder is null && isForeign ? 1 : 0;
            cooling += holder is null && !isForeign && isCooling ? 1 : 0;
        }

        return new PortCounts(reserved, bound, cooling, foreign);
    }

    /// <summary>Whether a claim that has the slot alone has ended, and its owner has nothing on the
    /// port, as the claim alone tells: most are so that lie in a free port, and their cells are not
    /// looked at. One that moves is shown there until it has.</summary>
    /// <remarks>What the owner has had since would stand in the slot after it, or has yet to take
    /// the slot and meets there whoever takes it now. What the owner had before lies below, and
    /// nothing does.</remarks>
    private static bool IsAllOver(object? slot, PortClaim claim, ClaimWord word) =>
        word.Stage == ClaimStage.Ended && word.Cause != ClaimEnd.Moved && ReferenceEquals(slot, claim) && claim.Below is null;

    /// <summary>Whether a claim tops its owner and is served, as nearly all of those that share a
    /// port do.</summary>
    private static bool IsServedTop(PortClaim claim) =>
        claim.Cell is { } cell && ReferenceEquals(cell.Top, claim) && claim.Word.Stage == ClaimStage.Bound && claim.Holder!.IsServing;

    /// <summary>The claim in force of one cell on one port as a lookup by port sees it: Bound and
    /// served, or Reserved.</summary>
    private static PortClaim? VisibleOn(PortClaim inSlot)
    {
        OwnerCell? cell = inSlot.Cell;
        if (cell is null)
        {
            return null;
        }

        PortClaim? lease = cell.OpenLease();   // before Served, see there
        if (cell.Serving() is { } served && served.Port == inSlot.Port)
        {
            return served;
        }

        return lease is not null && lease.Port == inSlot.Port ? lease : null;
    }

    /// <summary>Held for a process that is gone from sight, or has not signed in again after a
    /// restart: nobody else gets the port.</summary>
    private static bool IsHeldUnseen(PortClaim inSlot) => inSlot.Cell?.Served() is { Holder.IsServing: false } served && served.Port == inSlot.Port;

    /// <summary>Of two that were on a port: one that still holds it, else one after which it may
    /// cool, else the last to leave.</summary>
    private static bool TellsMore(PortClaim one, PortClaim other)
    {
        bool isHeld = IsHeldUnseen(one);
        if (isHeld || IsHeldUnseen(other))
        {
            return isHeld;
        }

        PortClaim left = one.Meant, otherLeft = other.Meant;
        bool hasLeftNothing = left.HasLeftNothing;
        return hasLeftNothing == otherLeft.HasLeftNothing ? left.Word.At > otherLeft.Word.At : !hasLeftNothing;
    }

    /// <summary>One of the claims in force on a port.</summary>
    /// <remarks> Linearization, when none is found: all that the slot led to had ended or was
    /// pending at the first pass. A second look at the slot then finds everything that is in force
    /// at that moment, for a claim is put there before it takes effect. If one that is new there,
    /// or was pending before, has taken effect, it did so during this call and is the answer,
    /// though it may have ended when the caller looks at it; if none has, the port was nobody's at
    /// the second look. So of several owners that share the port and take turns one is always
    /// found.
    /// </remarks>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port.</param>
    /// <param name="newest">When there is none: of those that were on the port the one that tells
    /// most of it (<see cref="TellsMore"/>).</param>
    private PortClaim? CurrentOn(PortProtocol protocol, int port, out PortClaim? newest)
    {
        PortSlots slots = parts.Space(protocol).Slots;
        object? first = slots[port];
        newest = null;
        PortClaim? pending = null;   // at most one: who joins finishes it first
        ReadOnlySpan<PortClaim> claims = PortSlots.Claims(ref first);
        foreach (PortClaim claim in claims)
        {
            ClaimWord word = claim.Word;
            pending = word.Stage == ClaimStage.Pending ? claim : pending;
            if (VisibleOn(claim) is { } visible)
            {
                return visible;
            }

            newest = newest is null || TellsMore(claim, newest) ? claim : newest;
        }

        object? second = slots[port];
        if (pending is null && ReferenceEquals(second, first))
        {
            return null;
        }

        foreach (PortClaim claim in PortSlots.Claims(ref second))
        {
            if (VisibleOn(claim) is { } visible)
            {
                return visible;
            }

            if ((ReferenceEquals(claim, pending) || !claims.Contains(claim)) && claim.TookEffect)
            {
                return claim;
            }
        }

        return null;
    }
}
