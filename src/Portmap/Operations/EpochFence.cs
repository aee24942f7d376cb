using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What the epoch that a caller carries means for an owner: "epochs fence those who carry one".</summary>
/// <remarks>
/// <code>
///   of the open lease, or of the registration in force          it takes effect on that one
///   of the last registration, which is over                     the same again: accepted while the owner has nothing newer
///   of another run, and the store knows a later registration    stale
///   of another run, and it does not                             counts as none: the worker must be able to come back, whatever the clock did
///   anything else                                               stale
/// </code>
/// The last registration is what the owner's cell remembers (<see cref="OwnerCell.Last"/>), else what the store told when it was opened. Threads: stateless
/// but for what is set once, before the registry is used.
/// </remarks>
internal sealed class EpochFence(PortTable table, EpochSource epochs)
{
    private IReadOnlyDictionary<(PortProtocol Protocol, string Owner), PortFact>? _stored;
    private bool _knowsAll;

    /// <summary>Takes what the store told.</summary>
    /// <param name="last">The last registration of each owner.</param>
    /// <param name="isWhole">Nothing was lost: neither unread nor, because the registry confirms, unwritten.</param>
    public void Restore(IReadOnlyDictionary<(PortProtocol Protocol, string Owner), PortFact> last, bool isWhole)
    {
        (_stored, _knowsAll) = (last, isWhole);
        table.IsStored = claim => last.ContainsKey((claim.Protocol, claim.Cell!.Owner));
    }

    /// <summary>The epoch, or 0 when it counts as none.</summary>
    public long Resolve(string owner, long epoch, PortProtocol protocol)
    {
        if (epoch <= 0 || (epoch >= epochs.First && epoch <= epochs.Last))
        {
            return Math.Max(epoch, 0);
        }

        OwnerCell? cell = table.Index.FindAny(protocol, owner, table.Index.Hash(protocol, owner));
        bool isLater = false;
        for (PortClaim? claim = cell?.Top; claim is not null; claim = claim.Below)
        {
            if (claim.Word.IsLive && claim.IsOf(epoch))
            {
                return epoch;
            }

            isLater |= claim.Word.Stage is (ClaimStage.Reserved or ClaimStage.Bound) && claim.Origin > epoch;
        }

        Registration? last = LastOf(cell, owner, protocol);
        return last?.IsOf(epoch) == true || (_knowsAll && (isLater || last?.Origin > epoch)) ? epoch : 0;
    }

    /// <summary>What the owner had last, now that nothing of it is in force; null when nobody knows.</summary>
    public Registration? LastOf(OwnerCell? cell, string owner, PortProtocol protocol) =>
        cell?.Last is { } last && table.IsRemembered(last) ? new Registration(last.Epoch, last.Origin, last.Port)
        : _stored?.TryGetValue((protocol, owner), out PortFact? fact) == true && fact.IsOfRegistration ? new Registration(fact.Epoch, fact.Fence, fact.Port)
        : null;

    /// <summary>A registration that may be over.</summary>
    /// <param name="Epoch">Its epoch.</param>
    /// <param name="Origin">The epoch it goes back to.</param>
    /// <param name="Port">Its port.</param>
    internal readonly record struct Registration(long Epoch, long Origin, int Port)
    {
        /// <inheritdoc cref="PortClaim.IsOf"/>
        public bool IsOf(long epoch) => epoch == Epoch || epoch == Origin;
    }
}
