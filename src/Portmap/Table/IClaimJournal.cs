namespace Portmap.Table;

/// <summary>Where the facts of claims go. Safe for any number of threads; never blocks or
/// throws.</summary>
internal interface IClaimJournal
{
    /// <summary>Whether a change counts only when its fact is on disk.</summary>
    bool Confirms { get; }

    /// <summary>Puts the fact of a claim's stage into the queue of the store.</summary>
    /// <returns>False: nothing is written any more.</returns>
    bool TryQueue(ClaimView claim);

    /// <summary>The same for claims whose facts are to be on disk all or none.</summary>
    bool TryQueue(ReadOnlySpan<PortClaim> group);
}
