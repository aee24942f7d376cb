namespace Portmap.Persistence;

/// <summary>Told by the writer what became of a fact. Must not throw or wait.</summary>
internal interface IFactOutcome
{
    /// <summary>A batch is on its way to the store.</summary>
    /// <returns>When; null where nobody wants to know.</returns>
    long? BeginWrite();

    /// <summary>The store has confirmed the batch, or failed.</summary>
    void EndWrite(long? began, Exception? failure);

    /// <summary>The fact is on disk.</summary>
    /// <param name="fact">The fact.</param>
    /// <param name="isClosing">
    /// Nobody is given anything any more: what is pending and was asked for is withdrawn.
    /// </param>
    /// <returns>What has to be written because of that; null: nothing. More than one are linked by
    /// <see cref="PortFact.Next"/>.</returns>
    PortFact? Written(PortFact fact, bool isClosing);

    /// <summary>The fact may be on disk or not; with what the store failed was told by
    /// <see cref="EndWrite"/>.</summary>
    /// <returns>What has to be written before anything newer; null: nothing. More than one are
    /// linked by <see cref="PortFact.Next"/>.</returns>
    PortFact? Failed(PortFact fact);

    /// <summary>Nothing comes in any more, and what came in is answered.</summary>
    /// <returns>What has to be written because of that; null: nothing. More than one are linked by
    /// <see cref="PortFact.Next"/>.</returns>
    PortFact? Sealed();

    /// <summary>The store could not be disposed.</summary>
    void NotClosed(Exception failure);
}
