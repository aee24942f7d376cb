namespace Portmap.Table;

/// <summary>The ports of one protocol: their slots, the hints that find one to hand out, and the
/// port each owner had last.</summary>
internal sealed class PortSpace(PortLimits limits, PortProtocol protocol)
{
    public PortSlots Slots { get; } = new();

    public PortHints Hints { get; } = new(limits);

    /// <summary>The port each owner had last.</summary>
    public LastPorts Last { get; } = new(protocol);

    /// <summary>Whether the marker of a stranger is old enough to be doubted.</summary>
    public bool IsDue(ClaimWord foreign, long now) => now - foreign.At >= Hints.RecheckMs;

    /// <summary>Whether a port cools after a claim that has ended; not merely because that is not on
    /// disk yet.</summary>
    public bool Cools(PortClaim claim, ClaimWord word, long now) =>
        Hints.CoolingMs != 0 && word.Stage == ClaimStage.Ended && claim.Cools(word.Cause) && CoolsForMs(claim, word, now) > 0;

    /// <summary>How long the port of a claim that ended then still cools; 0 when it is over.</summary>
    public long CoolsForMs(PortClaim claim, ClaimWord ended, long now)
    {
        long delayMs = Hints.CoolingMs;
        if (ended.Waits)
        {
            return Math.Max(1, ended.At + delayMs - now);   // its end is not on disk yet
        }

        // Without a delay nothing cools, not even a port whose end is newer than the caller's time,
        // which may be some milliseconds old.
        return delayMs == 0 || !claim.Cools(ended.Cause) ? 0 : Math.Max(0, ended.At + delayMs - now);
    }

    /// <summary>Puts a pending registration into the slot of its port where nothing is in its way, as is
    /// seen in one look: nobody had the port, or the owner itself had it alone and gave it back.
    /// False when anything is otherwise.</summary>
    /// <remarks>Lock-free. The word of the claim is read before the CAS of the slot: one that has
    /// taken effect and ended meanwhile was in the slot, which is another one then.</remarks>
    public bool TryTakePlain(PortClaim registration, long now)
    {
        object? slot = Slots[registration.Port];
        if (slot is PortClaim last)
        {
            ClaimWord over = last.Word;
            if (over.Stage != ClaimStage.Ended || over.Waits || last.Below is not null || last.Epoch >= registration.Epoch || !ReferenceEquals(last.Cell, registration.Cell))
            {
                return false;
            }

            if (Cools(last, over, now))
            {
                registration.MarkTookCooling();
            }
        }
        else if (slot is not null)
        {
            return false;
        }

        return registration.Word.Stage == ClaimStage.Pending && Slots.TrySet(registration.Port, slot, registration);
    }
}
