namespace Portmap.Table;

/// <summary>Checks the invariants of a table on which nothing runs.</summary>
internal static class TableAudit
{
    public static void Check(PortTable audited)
    {
        TableParts table = audited.Parts;
        table.Index.RetireIdle();   // idle cells may lie about, and each can be retired
        foreach (OwnerCell cell in table.Index.Cells())
        {
            int bound = 0, leases = 0;
            for (PortClaim? claim = cell.Top; claim is not null; claim = claim.Below)
            {
                ClaimWord word = claim.Word;
                bound += word.Stage == ClaimStage.Bound ? 1 : 0;
                leases += word.Stage == ClaimStage.Reserved ? 1 : 0;
                Require(word.Stage != ClaimStage.Pending, $"{cell.Owner}: a claim on {claim.Port} is pending though nothing runs");
                if (word.IsLive && claim.Port != 0)
                {
                    Require(LeadsTo(table, claim), $"{cell.Owner}: the slot of {claim.Port} does not lead to its claim (I1)");
                }
            }

            Require(bound <= 1 && leases <= 1, $"{cell.Owner}: {bound} registrations and {leases} leases are in force (I3)");
            Require(bound + leases > 0, $"{cell.Owner}: its cell is idle and cannot be retired");
        }

        CheckPorts(table, PortProtocol.Tcp);
        if (table.HasUdp)
        {
            CheckPorts(table, PortProtocol.Udp);
        }
    }

    private static void CheckPorts(TableParts table, PortProtocol protocol)
    {
        foreach (int port in table.Space(protocol).Slots.Used())
        {
            object? slot = table.Space(protocol).Slots[port];
            List<PortClaim> inForce = [];
            foreach (PortClaim claim in PortSlots.Claims(ref slot))
            {
                if (claim.Cell?.HolderOf(port) is { } holder && !inForce.Contains(holder))
                {
                    inForce.Add(holder);
                }
            }

            Require(
                inForce.Count <= 1 || inForce.TrueForAll(claim => claim.Holder is { } holder && inForce[0].Holder is { } first && holder.IsSameProcess(first)),
                $"{protocol} {port}: {inForce.Count} claims of different processes are in force (I2)");
        }
    }

    private static bool LeadsTo(TableParts table, PortClaim claim)
    {
        object? slot = table.Space(claim.Protocol).Slots[claim.Port];
        foreach (PortClaim other in PortSlots.Claims(ref slot))
        {
            if (ReferenceEquals(other.Cell, claim.Cell))
            {
                return true;
            }
        }

        return false;
    }

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"The port table is inconsistent: {what}.");
        }
    }
}
