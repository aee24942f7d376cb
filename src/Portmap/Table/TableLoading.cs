namespace Portmap.Table;

/// <summary>Puts back into a table what an earlier run left. Before anybody else uses the
/// table.</summary>
internal sealed class TableLoading(PortTable table)
{
    private readonly TableParts _parts = table.Parts;

    /// <summary>The store told of these owners: they stay remembered whoever has their
    /// port.</summary>
    public Func<PortProtocol, string, bool> IsStored { set => _parts.IsStored = value; }

    public void MakeRoom(int owners) => _parts.Index.MakeRoom(owners);

    /// <summary>An owner that had this port last.</summary>
    public void Remember(OwnerKey owner, int port) => _parts.Space(owner.Protocol).Last.Remember(NamedCell(owner), port);

    /// <summary>Whether an owner has a registration on a port.</summary>
    public bool IsServed(PortProtocol protocol, int port, string owner)
    {
        object? slot = _parts.Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (claim is { IsLease: false, Word.IsLive: true } && claim.Cell?.Owner == owner)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A port that cools after an owner.</summary>
    public void Cool(OwnerKey owner, in NewClaim claim, ClaimEnd cause, long endedAt)
    {
        PortSpace space = _parts.Space(claim.Protocol);
        space.Slots.TrySet(claim.Port, null, PortClaim.ForCooling(claim, NamedCell(owner), cause, endedAt));
        space.Hints.Free.TryTake(claim.Port);
        space.Hints.Cool(claim.Port, endedAt);
    }

    /// <summary>A claim in force.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="restored">The claim.</param>
    /// <param name="guarantee">How strongly its port is held.</param>
    /// <param name="at">When it took effect.</param>
    /// <returns>The claim.</returns>
    /// <exception cref="InvalidOperationException">There are more owners than the table holds, which
    /// the opening should have counted.</exception>
    public PortClaim Restore(OwnerKey owner, in NewClaim restored, PortGuarantee guarantee, long at)
    {
        PortClaim claim = PortClaim.Pending(restored, table.Confirms);
        claim.Guarantee = guarantee;
        if (table.Confirms)
        {
            claim.TryMark(claim.Word, claim.Word.Written());
        }

        claim.TryTakeEffect(claim.Word, at);
        if (_parts.Index.Find(owner.Protocol, owner.Owner, owner.Hash) is { } cell)
        {
            cell.TryPush(cell.Top, claim);
        }
        else
        {
            Insert(claim, owner);
        }

        if (claim.Port != 0)
        {
            PortSpace space = _parts.Space(claim.Protocol);
            object? slot = space.Slots[claim.Port];
            PortClaim[] claims = [claim, .. PortSlots.Claims(ref slot)];
            Array.ForEach(slot is null ? [] : claims, one => one.MarkShared());
            space.Slots.TrySet(claim.Port, slot, slot is null ? claim : claims);
            space.Hints.Free.TryTake(claim.Port);
        }

        return claim;
    }

    private void Insert(PortClaim claim, OwnerKey owner)
    {
        claim.Cell = new OwnerCell(owner.Owner, owner.Protocol, owner.Hash, claim);
        OwnerInsertion insertion;
        do
        {
            insertion = _parts.Index.TryInsert(claim.Cell);   // once more when the index has grown
        }
        while (insertion == OwnerInsertion.Raced);
        if (insertion == OwnerInsertion.Full)
        {
            throw new InvalidOperationException($"The table holds no more than {_parts.Limits.MaxOwners} owners.");
        }
    }

    /// <summary>A cell that is in no index: nothing but its name counts.</summary>
    private static OwnerCell NamedCell(OwnerKey owner) => new(owner.Owner, owner.Protocol, owner.Hash, PortClaim.Dead);
}
