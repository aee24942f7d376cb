namespace Portmap.Persistence;

/// <summary>Told by the writer what became of a fact. Must not throw or wait.</summary>
internal interface IFactOutcome
{
    void Written(PortFact fact);

    /// <summary>The fact may be on disk or not.</summary>
    /// <returns>What has to be written before anything newer; null: nothing.</returns>
    PortFact? Failed(PortFact fact, Exception failure);
}
