namespace Portmap.Table;

/// <summary>What the verbs of one table share: the ports of each protocol and the owners.</summary>
/// <remarks>Everything but the ports of UDP, which are made when first asked for, is set
/// once.</remarks>
internal sealed class TableParts
{
    private readonly PortSpace _tcp;
    private PortSpace? _udp;

    public TableParts(PortLimits limits, RegistryClock clock, IClaimEvents events, int processors, ulong seed)
    {
        Limits = limits;
        Clock = clock;
        Events = events;
        _tcp = new PortSpace(limits, PortProtocol.Tcp);
        Index = new OwnerIndex(limits.MaxOwners, processors, seed, IsRemembered, cell => OwnerMemory.Keep(Space(cell.Protocol), cell));
    }

    public PortLimits Limits { get; }

    public RegistryClock Clock { get; }

    public IClaimEvents Events { get; }

    public OwnerIndex Index { get; }

    /// <summary>Owners that stay remembered whoever has their port, because the store told of them.
    /// Set before the table is used.</summary>
    public Func<PortProtocol, string, bool> IsStored { get; set; } = static (_, _) => false;

    public bool HasUdp => Volatile.Read(ref _udp) is not null;

    public PortSpace Space(PortProtocol protocol) =>
        protocol == PortProtocol.Tcp ? _tcp : Volatile.Read(ref _udp) ?? MakeUdp();

    /// <summary>Whether nobody else has had the port of a registration since it ended: as long, its
    /// owner is remembered. Longer, where the store tells of an earlier one: it must not be taken
    /// for the last.</summary>
    public bool IsRemembered(PortClaim registration)
    {
        if (IsStored(registration.Protocol, registration.Cell!.Owner))
        {
            return true;
        }

        object? slot = Space(registration.Protocol).Slots[registration.Port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Meant.Cell?.Owner == registration.Cell!.Owner)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether an owner other than one has a claim in force on a port.</summary>
    public bool IsAnothers(PortProtocol protocol, int port, string owner)
    {
        object? slot = Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Cell is { } cell && cell.Owner != owner && cell.InForceOn(port) is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Makes the port of an ended claim available, which for one that had to be written is
    /// when that is on disk.</summary>
    public void MakeAvailable(PortClaim claim, ClaimWord ended, long now)
    {
        PortSpace space = Space(claim.Protocol);
        if (claim.Port != 0 && space.CoolsForMs(claim, ended, now) > 0)
        {
            space.Hints.Cool(claim.Port, ended.At);
        }
        else
        {
            Offer(claim);
        }
    }

    /// <summary>Gives the port of a claim back to those that are handed out.</summary>
    public void Offer(PortClaim claim)
    {
        if (claim.Port != 0)
        {
            Space(claim.Protocol).Hints.Offer(claim.Port);
        }
    }

    private PortSpace MakeUdp()
    {
        PortSpace space = new(Limits, PortProtocol.Udp);
        Hook.At(Step.MakeUdp);
        return Interlocked.CompareExchange(ref _udp, space, null) ?? space;   // publishes the space; the first one stays
    }
}
