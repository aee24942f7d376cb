namespace Portmap.Table;

internal sealed partial class PortTable
{
    public enum Taking
    {
        Taken,

        /// <summary>A claim of ours is in force or pending on it.</summary>
        InUse,

        Cooling,

        /// <summary>A stranger had it a short while ago.</summary>
        Foreign,

        /// <summary>A stranger has it: the operating system said so just now.</summary>
        FoundForeign,

        /// <summary>Nobody has it, and the operating system does not let us bind it.</summary>
        Denied,

        /// <summary>The end of the claim that had it is on the way to the disk.</summary>
        Unwritten,
    }

    public enum Push
    {
        Pushed,

        /// <summary>The owner has another open lease.</summary>
        AlreadyReserved,

        TooManyOwners,

        /// <summary>The lease whose place it should take has ended.</summary>
        LeaseGone,

        /// <summary>A listening process took the port, or a later claim of the owner has a higher epoch: begin again.</summary>
        Lost,

        /// <summary>The fact of the claim could not be written.</summary>
        StoreFailed,

        /// <summary>What the owner has is on the way to the disk: wait for that, then begin again.</summary>
        Waits,
    }

    /// <summary>Whether a port may be taken for an acquisition now; if it cools or is foreign, since when. Who asks for this very port may have one that cools after itself.</summary>
    public Taking Look(PortProtocol protocol, int port, string? asksFor, bool takeCooling, long now, out object? slot, out long highestEpoch, out long since)
    {
        PortSpace space = Space(protocol);
        slot = space.Slots[port];
        highestEpoch = 0;
        since = now;
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            ClaimWord word = claim.Word;
            highestEpoch = Math.Max(highestEpoch, claim.Epoch);
            if (word.Stage == ClaimStage.Foreign)
            {
                if (!space.IsDue(word, now))
                {
                    since = word.At;
                    return Taking.Foreign;
                }

                continue;
            }

            if (word.Stage == ClaimStage.Taking || claim.Cell?.HolderOf(port) is not null)
            {
                return Taking.InUse;
            }

            word = claim.Word;   // again: it may have ended between the two looks, and then it cools
            if (word.Waits)
            {
                Journal!.Queue(claim, word);
                return Taking.Unwritten;
            }

            if (!takeCooling && word.Stage == ClaimStage.Ended && space.CoolsForMs(word, now) > 0 && (asksFor is null || claim.Cell?.Owner != asksFor))
            {
                since = word.At;
                return Taking.Cooling;
            }
        }

        return Taking.Taken;
    }

    /// <summary>Puts a pending claim on top of an owner's cell, unless anybody else did since <paramref name="top"/> was read.</summary>
    public static bool TryPush(OwnerCell cell, PortClaim top, PortClaim claim)
    {
        claim.Cell = cell;
        claim.Below = top;
        Trim(claim);
        return cell.TryPush(top, claim);
    }

    /// <summary>Puts a pending lease on top of its owner and makes it take effect, or leaves it pending there while its fact is on the way to the disk:
    /// then <see cref="Outcome"/> tells what became of it.</summary>
    /// <param name="claim">The pending lease; in its slot already if it has a port.</param>
    /// <param name="owner">The owner.</param>
    /// <param name="hash">Its hash.</param>
    /// <param name="unlessServed">Not if the owner is served: begin again then. Looked at below the top that the push is made on, so that no registration comes between.</param>
    /// <param name="now">The time.</param>
    /// <param name="standing">The lease that stands in the way, for <see cref="Push.AlreadyReserved"/>.</param>
    public Push TryPublish(PortClaim claim, string owner, int hash, bool unlessServed, long now, out PortClaim? standing)
    {
        standing = null;
        while (true)
        {
            OwnerCell? cell = Index.Find(claim.Protocol, owner, hash);
            if (cell is null)
            {
                cell = new OwnerCell(owner, claim.Protocol, hash, claim);
                if (claim.Below is not null)
                {
                    claim.Below = null;   // it was to go on top of a cell that has died
                }

                claim.Cell = cell;
                OwnerIndex.Insertion insertion = Index.TryInsert(cell);
                if (insertion == OwnerIndex.Insertion.Outrun)
                {
                    claim.Cell = null;
                    return Push.Lost;
                }

                if (insertion == OwnerIndex.Insertion.Full)
                {
                    claim.Cell = null;
                    return Push.TooManyOwners;
                }

                if (insertion == OwnerIndex.Insertion.Raced)
                {
                    continue;
                }
            }
            else
            {
                PortClaim top = Normalize(cell, now);
                if (ReferenceEquals(top, PortClaim.Dead))
                {
                    continue;
                }

                if (top.Word.Stage == ClaimStage.Taking)
                {
                    claim.Cell = null;
                    return Push.Waits;
                }

                standing = cell.OpenLease();
                if (standing is not null && !ReferenceEquals(standing, claim.Consumes))
                {
                    claim.Cell = null;
                    return Push.AlreadyReserved;
                }

                if (Math.Max(top.Epoch, standing?.Epoch ?? 0) >= claim.Epoch || (unlessServed && cell.Served() is not null))
                {
                    claim.Cell = null;
                    return Push.Lost;
                }

                if (!TryPush(cell, top, claim))
                {
                    continue;
                }
            }

            return Outcome(claim, now);
        }
    }

    /// <summary>What has become of a pending lease that tops its cell; it is still pending when its fact is not on disk yet.</summary>
    public Push Outcome(PortClaim claim, long now)
    {
        SettleOwn(claim, now);
        Push outcome = claim.Word.Cause switch
        {
            ClaimEnd.Withdrawn => Push.Lost,   // a process that listens on the port was faster
            ClaimEnd.LeaseGone => Push.LeaseGone,
            ClaimEnd.StoreFailed => Push.StoreFailed,
            _ => Push.Pushed,
        };
        if (outcome != Push.Pushed)
        {
            Index.Retire(claim.Cell!);
        }

        return outcome;
    }
}
