using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What the epoch that a caller carries means for an owner: "epochs fence those who carry
/// one".</summary>
/// <remarks>
/// <code>
///   of a lease whose claim in the fleet is over                 stale, whatever else the owner has
///   no higher than that, while the owner has nothing            stale
///   of the open lease, or of the registration in force          it takes effect on that one
///   of the last registration, which is over                     the same again: accepted while the owner has nothing newer
///   of another run, told to the process before (see Resolve)    it takes effect on its registration
///   of another run, and the store knows a later registration    stale
///   of another run, and it does not                             counts as none: the worker must be able to come back, whatever the clock did
///   anything else                                               stale
/// </code>
/// The last registration is what the table remembers of the owner, else what the store told when it
/// was opened. Threads: safe for any; what the store told is set once, before the
/// registry is used.
/// </remarks>
internal sealed class EpochFence(PortTable table, EpochSource epochs)
{
    private const int MostClosed = 16_384;

    /// <summary>The epoch of an owner's last lease whose claim in the fleet is over, and the highest
    /// that came of it; null until there is one. Nobody changes it: it is replaced whole by a
    /// CAS.</summary>
    private Dictionary<string, (long Origin, long Highest)>? _closed;
    private Func<IReadOnlyDictionary<(PortProtocol Protocol, string Owner), PortFact>>? _stored;
    private bool _knowsAll;

    /// <summary>Takes what the store told.</summary>
    /// <param name="last">The last registration of each owner, asked for when it is wanted.</param>
    /// <param name="isWhole">Nothing was lost: neither unread nor, because the registry confirms,
    /// unwritten.</param>
    public void Restore(Func<IReadOnlyDictionary<(PortProtocol Protocol, string Owner), PortFact>> last, bool isWhole) => (_stored, _knowsAll) = (last, isWhole);

    /// <summary>The epoch of what the caller means, or 0 when it counts as none.</summary>
    /// <remarks>A registration that was told again, under the epoch of one that failed above it, comes
    /// back with that one and with what it goes back to. What its process was told when it registered
    /// may be neither, and lies between the two.</remarks>
    public long Resolve(OwnerKey owner, long epoch, SessionHolder caller)
    {
        if (epoch <= 0 || (epoch >= epochs.First && epoch <= epochs.Last))
        {
            return Math.Max(epoch, 0);
        }

        if (table.HasLive(owner, epoch, out bool isOutrun))
        {
            return epoch;
        }

        ClaimView served = table.FindServed(owner.Protocol, owner.Owner);
        if (epoch < served.Epoch && epoch > served.Origin && OwnerRights.Owns(caller, served))
        {
            return served.Epoch;
        }

        LastRegistration? last = LastOf(owner);
        return last?.IsOf(epoch) == true || (_knowsAll && (isOutrun || last?.Origin > epoch)) ? epoch : 0;
    }

    /// <summary>The claim in the fleet that a lease was granted by is over: nobody may register by
    /// its epoch from now on, for another host may have the owner.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="origin">The epoch of the lease, which all that came of it goes back to.</param>
    public void Close(string owner, long origin)
    {
        long highest = Math.Max(origin, Math.Max(HighestOf(PortProtocol.Tcp, owner, origin), HighestOf(PortProtocol.Udp, owner, origin)));
        while (true)
        {
            Dictionary<string, (long Origin, long Highest)>? seen = Volatile.Read(ref _closed);
            if (seen?.GetValueOrDefault(owner) is { } known && (known.Origin > origin || known.Highest >= highest))
            {
                return;
            }

            // Of too many the older half goes: an epoch is higher for each later lease, and few
            // workers are that slow.
            IEnumerable<KeyValuePair<string, (long Origin, long Highest)>> kept =
                seen is null ? [] : seen.Count < MostClosed ? seen : seen.OrderByDescending(pair => pair.Value.Origin).Take(MostClosed / 2);
            Dictionary<string, (long Origin, long Highest)> next = new(kept, StringComparer.Ordinal) { [owner] = (origin, highest) };
            if (Interlocked.CompareExchange(ref _closed, next, seen) == seen)   // publishes the epochs to all that look
            {
                return;
            }
        }
    }

    /// <summary>The epoch of the owner's last lease whose claim in the fleet is over, or 0.</summary>
    public long ClosedOf(string owner) => Closed(owner).Origin;

    /// <summary>Whether an epoch is of a lease whose claim in the fleet is over, or of a
    /// registration that goes back to it.</summary>
    public bool IsClosed(OwnerKey owner, long epoch) =>
        ClosedOf(owner.Owner) is not 0 and long closed && (closed == epoch || (LastOf(owner) is { } last && last.IsOf(epoch) && last.IsOf(closed)));

    /// <summary>Whether an epoch is no higher than what came of a lease whose claim in the fleet is
    /// over: nobody is given another port by it, and while the owner has nothing else here nobody
    /// registers by it.</summary>
    public bool IsOver(string owner, long epoch) => epoch != 0 && epoch <= Closed(owner).Highest;

    /// <summary>What the owner had last, now that nothing of it is in force; null when nobody
    /// knows.</summary>
    public LastRegistration? LastOf(OwnerKey owner) =>
        table.Memory.LastOf(owner) is { } last ? last
        : _stored?.Invoke().TryGetValue((owner.Protocol, owner.Owner), out PortFact? fact) == true && fact.IsOfRegistration ? new LastRegistration(fact.Epoch, fact.Fence, fact.Port)
        : null;

    private (long Origin, long Highest) Closed(string owner) => Volatile.Read(ref _closed)?.GetValueOrDefault(owner) ?? default;

    /// <summary>The epoch of the registration that goes back to a lease, in force or the last that
    /// was; 0 when there is none.</summary>
    private long HighestOf(PortProtocol protocol, string owner, long origin)
    {
        ClaimView served = table.FindServed(protocol, owner);
        LastRegistration last = table.Memory.LastOf(table.Key(protocol, owner)) ?? default;
        return Math.Max(served.IsOf(origin) ? served.Epoch : 0, last.IsOf(origin) ? last.Epoch : 0);
    }
}
