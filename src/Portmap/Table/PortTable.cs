using Portmap.Persistence;

namespace Portmap.Table;

/// <summary>The claims of all ports and owners, and every step by which one takes effect or ends.</summary>
/// <remarks>
/// <code>
///   by port    slot[port] ──► claim ─┐
///                                    ├─► cell ──Top──► claim ──Below──► claim        a claim counts when its cell serves it
///   by owner   index[owner] ─────────┘
/// </code>
/// One authority: the word of a claim together with its place below <see cref="OwnerCell.Top"/>. The slot only leads to cells, so a reader that
/// comes by port asks the same cell as one that comes by owner, and both see a change at the same CAS.
/// <para>States of a claim and who moves it:</para>
/// <code>
///             lease:  Taking ──(3)──► Reserved ──┐
///                       │                        ├──(5)──► Ended       (5) release, expiry, taken, used up by a registration
///      registration:  Taking ──(4)──► Bound ─────┘                         death, disconnect, replaced by the one above
///                       └──────(1,2: withdrawn)──────────► Ended
/// </code>
/// <para>Invariants</para>
/// <list type="bullet">
/// <item>I1. A claim with a port is put into its slot before it takes effect, and the slot keeps leading to its cell while it is in force: who
/// wants the slot first looks for a claim in force on that port in every cell the slot leads to, and every change of a slot is a fresh object.</item>
/// <item>I2. Claims in force on one port belong to one process, or there is one of them.</item>
/// <item>I3. An owner has at most one Reserved claim, and lookups serve at most one Bound claim of it (OwnerCell I3).</item>
/// <item>I4. A lease is used up by the CAS that ends it as Consumed (by its registration) or BindFailed (by the lease of another port that takes its
/// place), and by one of them only.</item>
/// <item>I5. A pending registration that tops its cell can be finished by anybody (<see cref="Settle"/>); a pending acquisition that a listening
/// process collides with is ended by that process. So nobody waits for a thread that was suspended between two steps.</item>
/// </list>
/// <para>Linearization points: acquire (3), register (4) = <see cref="PortClaim.TryTakeEffect"/>; every ending (5) = <see cref="PortClaim.TryEnd"/>;
/// lookups: the read of <see cref="OwnerCell.Top"/> or the effect of the claim they return (<see cref="OwnerCell.Served"/>).</para>
/// <para>Progress: lookups are wait-free, everything else is lock-free: a step is repeated only because somebody else's took effect.</para>
/// </remarks>
internal sealed partial class PortTable
{
    private readonly IClaimEvents _events;
    private readonly PortSpace _tcp;
    private PortSpace? _udp;

    public PortTable(PortRegistrySettings settings, RegistryClock clock, IClaimEvents events, int processors, ulong seed)
    {
        Settings = settings;
        Clock = clock;
        _events = events;
        _tcp = new PortSpace(settings, PortProtocol.Tcp);
        Index = new OwnerIndex(settings.MaxOwners, processors, seed, IsRemembered);
    }

    public PortRegistrySettings Settings { get; }

    public RegistryClock Clock { get; }

    public OwnerIndex Index { get; }

    /// <summary>Where facts of claims go; null without a store. Set before anything else is done with the table.</summary>
    public ClaimJournal? Journal { get; set; }

    /// <summary>Owners that stay remembered whoever has their port, because the store told of them. Set before anything else is done with the table.</summary>
    public Func<PortClaim, bool> IsStored { get; set; } = static _ => false;

    /// <summary>Whether a claim counts only when its fact is on disk.</summary>
    public bool Confirms => Journal is { Confirms: true };

    public PortSpace Space(PortProtocol protocol) =>
        protocol == PortProtocol.Tcp ? _tcp : Volatile.Read(ref _udp) ?? MakeUdp();

    public bool HasUdp => Volatile.Read(ref _udp) is not null;

    /// <summary>What lookups serve for an owner, or null.</summary>
    public PortClaim? Served(PortProtocol protocol, ReadOnlySpan<char> owner) =>
        Index.FindAny(protocol, owner, Index.Hash(protocol, owner))?.Serving();

    /// <summary>The claim in force of one cell on one port as a lookup by port sees it: Bound and served, or Reserved.</summary>
    public static PortClaim? VisibleOn(PortClaim inSlot)
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

    /// <summary>Held for a process that is gone from sight, or has not signed in again after a restart: nobody else gets the port.</summary>
    public static bool IsHeldUnseen(PortClaim inSlot) => inSlot.Cell?.Served() is { Session.IsServing: false } served && served.Port == inSlot.Port;

    /// <summary>What a lookup of the port finds: one of the claims in force on it.</summary>
    /// <remarks>
    /// Linearization, when none is found: all that the slot led to had ended or was pending at the first pass. A second look at the slot then finds
    /// everything that is in force at that moment, for a claim is put there before it takes effect. If one that is new there, or was pending before, has
    /// taken effect, it did so during this call and is the answer, though it may have ended when the caller looks at it; if none has, the port was
    /// nobody's at the second look. So of several owners that share the port and take turns one is always found.
    /// </remarks>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port.</param>
    /// <param name="newest">When there is none: of those that were on the port, one that still holds it, else the last to leave.</param>
    public PortClaim? CurrentOn(PortProtocol protocol, int port, out PortClaim? newest)
    {
        PortSlots slots = Space(protocol).Slots;
        object? first = slots[port];
        newest = null;
        PortClaim? pending = null;   // at most one: who joins settles it first
        ReadOnlySpan<PortClaim> claims = PortSlots.Claims(ref first);
        foreach (PortClaim claim in claims)
        {
            ClaimWord word = claim.Word;
            pending = word.Stage == ClaimStage.Taking ? claim : pending;
            if (VisibleOn(claim) is { } visible)
            {
                return visible;
            }

            newest = newest is null || IsHeldUnseen(claim) || (!IsHeldUnseen(newest) && word.At > newest.Word.At) ? claim : newest;
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

    /// <summary>How many owners lookups see on a port.</summary>
    public int CountOwners(PortProtocol protocol, int port)
    {
        object? slot = Space(protocol).Slots[port];
        int count = 0;
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            count += VisibleOn(claim) is not null ? 1 : 0;
        }

        return count;
    }

    /// <summary>Whether nobody else has had the port of a registration since it ended: as long, its owner is remembered. Longer, where the store tells of
    /// an earlier one: it must not be taken for the last.</summary>
    public bool IsRemembered(PortClaim registration)
    {
        if (IsStored(registration))
        {
            return true;
        }

        object? slot = Space(registration.Protocol).Slots[registration.Port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Cell?.Owner == registration.Cell!.Owner)
            {
                return true;
            }
        }

        return false;
    }

    private PortSpace MakeUdp()
    {
        PortSpace space = new(Settings, PortProtocol.Udp);
        Hook.At(Step.MakeUdp);
        return Interlocked.CompareExchange(ref _udp, space, null) ?? space;   // publishes the space; the first one stays
    }
}
