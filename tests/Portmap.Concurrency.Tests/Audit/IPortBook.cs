namespace Portmap.Concurrency.Tests.Audit;

/// <summary>What the stress drives and the audit looks at: the registry, or one of the broken
/// copies under Controls.</summary>
internal interface IPortBook
{
    /// <summary>An epoch, or 0 when refused.</summary>
    long Acquire(string owner, bool allocatorPicks);

    /// <summary>Registers with the epoch of the owner's last lease (on its port, if it has one) or
    /// without.</summary>
    /// <returns>The epoch of the registration, or 0 when refused.</returns>
    long Register(int process, string owner, int port, bool withEpoch);

    bool Release(int process, string owner);

    void ReleaseLease(string owner);

    void ReportBindFailure(int process, string owner);

    bool TryGetPort(string owner, out int port);

    IReadOnlyList<Holding> Holdings();

    IReadOnlyList<Holding> OwnersOn(int port);

    /// <summary>Everything that happened, once the threads have stopped.</summary>
    Task<IReadOnlyList<HistoryEvent>> HistoryAsync();
}
