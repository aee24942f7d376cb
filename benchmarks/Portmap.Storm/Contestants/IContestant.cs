namespace Portmap.Storm.Contestants;

/// <summary>One way to get a process to listen on a port.</summary>
internal interface IContestant : IAsyncDisposable
{
    /// <summary>What it is called in tables.</summary>
    string Name { get; }

    /// <summary>Gets a long-lived worker to listen, with as many attempts as
    /// <see cref="StormPlan.Attempts"/>.</summary>
    /// <exception cref="NotSupportedException">It starts processes only.</exception>
    Task<HandOff> HandOverAsync(LineProcess worker, string owner);

    /// <summary>Starts a process that is to listen. Whether it tries again by itself is up to the
    /// process: that is what is compared.</summary>
    /// <returns>What came of it, and the process.</returns>
    Task<(HandOff HandOff, IChild Process)> StartAsync(string owner);

    /// <summary>Called once the worker no longer listens.</summary>
    void Closed(HandOff handOff);
}
