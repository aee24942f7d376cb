namespace Portmap.Table;

/// <summary>What owners had last: their port, and their registration.</summary>
/// <remarks>
/// <code>
///   a cell, idle or not    knows its last port: it counts until the slot of that port leads to others only
///   no cell                <see cref="LastPorts"/>, which was told when the cell was retired
/// </code>
/// A memory, not a right. Where a stranger's mark or an acquisition that came to nothing has taken
/// the place of the last owner in the slot, two owners may remember one port for the time of a
/// pass. Progress: wait-free, but for <see cref="Keep"/>, which is lock-free.
/// </remarks>
internal sealed class OwnerMemory(TableParts parts)
{
    /// <summary>The last registration of an owner that is over, as long as nobody else has had its
    /// port since; null when nobody knows.</summary>
    public LastRegistration? LastOf(OwnerKey owner) =>
        parts.Index.FindAny(owner.Protocol, owner.Owner, owner.Hash)?.Last is { } last && parts.IsRemembered(last)
            ? new LastRegistration(last.Epoch, last.Origin, last.Port)
            : null;

    /// <summary>The port an owner has or had last, unless it was given to another owner since; 0
    /// when there is none.</summary>
    public int LastPort(OwnerKey owner)
    {
        OwnerCell? cell = parts.Index.FindAny(owner.Protocol, owner.Owner, owner.Hash);
        if (cell?.Served() is { Port: > 0 } served)
        {
            return served.Port;
        }

        int port = cell is null ? 0 : EndedPort(cell);
        if (port == 0)
        {
            port = cell is { LastPort: > 0 and int last } ? last : parts.Space(owner.Protocol).Last.Recall(owner.Owner, owner.Hash);
        }

        return port == 0 || IsPassedOn(parts.Space(owner.Protocol), port, owner.Owner) ? 0 : port;
    }

    /// <summary>Whether a port that is free was the last one of an owner.</summary>
    public bool WasLast(in OwnerKey owner, int port) =>
        parts.Index.FindAny(owner.Protocol, owner.Owner, owner.Hash) is { LastPort: > 0 and int last }
            ? last == port
            : parts.Space(owner.Protocol).Last.IsLast(owner.Owner, owner.Hash, port);

    /// <inheritdoc cref="WasLast(in OwnerKey, int)"/>
    public bool WasLast(OwnerPlace place, in OwnerKey owner, int port) =>
        place.Cell is { LastPort: > 0 and int last } ? last == port : WasLast(owner, port);

    /// <summary>Has the port of a cell remembered that is to be retired.</summary>
    public static void Keep(PortSpace space, OwnerCell cell)
    {
        if (cell.LastPort is > 0 and int port && !IsPassedOn(space, port, cell.Owner))
        {
            space.Last.Remember(cell, port);
        }
    }

    /// <summary>Whether a port was given to another owner since this one had it.</summary>
    private static bool IsPassedOn(PortSpace space, int port, string owner)
    {
        object? slot = space.Slots[port];
        bool isOwn = false, isAnothers = false;
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim.Meant.Cell is not { } cell)
            {
                continue;   // a stranger's mark, or an acquisition that may come to nothing
            }

            if (cell.Owner == owner)
            {
                isOwn = true;
            }
            else if (cell.InForceOn(port) is not null)
            {
                return true;
            }
            else
            {
                isAnothers = true;
            }
        }

        return !isOwn && (isAnothers || space.Last.IsAnothers(port, owner));
    }

    /// <summary>The port of a registration that has ended and may not be noted yet, or 0.</summary>
    private static int EndedPort(OwnerCell cell)
    {
        for (PortClaim? claim = cell.Top; claim is not null; claim = claim.Below)
        {
            ClaimWord word = claim.Word;
            if (claim.Port != 0 && word.Stage == ClaimStage.Ended && word.WasBound && word.Cause != ClaimEnd.Replaced)
            {
                return claim.Port;
            }
        }

        return 0;
    }
}
