using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What surrounds a session: the clock it goes by, and who is told what becomes of it.
/// Nothing here throws.</summary>
internal interface ISessionEvents
{
    RegistryClock Clock { get; }

    /// <summary>The host of its process, when that is made up.</summary>
    SimulatedHost? Host { get; }

    /// <summary>How long an owner has to come back after its connection broke off.</summary>
    TimeSpan Grace { get; }

    /// <summary>Whether the kernel is asked to tell of the deaths of processes that have a
    /// connection.</summary>
    bool WatchesProcesses { get; }

    /// <summary>A session was opened, came to another state, or goes on with another process.
    /// Called after it is so.</summary>
    /// <param name="session">The session.</param>
    /// <param name="unwatched">How many more there are now whose death passes have to look
    /// for.</param>
    void Moved(SessionHolder session, int unwatched);

    /// <summary>Sessions are over: their registrations are to be ended.</summary>
    void Over();

    /// <summary>As <see cref="Over"/>, on a thread that only deaths wake.</summary>
    void Died();

    /// <summary>Lookups have stopped for what a session registered, which is held for its owner
    /// still.</summary>
    void Hidden(SessionHolder session);

    /// <summary>Another process of its program goes on with what was registered for it.</summary>
    void PassedOn(SessionHolder session, int from);

    /// <summary>Whether a claim is live, or its owner has one that goes back to the same
    /// acquisition.</summary>
    bool Matters(PortClaim claim);

    /// <summary>A look or a timer failed.</summary>
    void Failed(Exception exception);
}
