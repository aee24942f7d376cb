namespace Portmap.Storm.Contestants;

/// <summary>One way to get a process to listen on a port.</summary>
internal interface IContestant : IAsyncDisposable
{
    /// <summary>What it is called in tables.</summary>
    string Name { get; }

    /// <summary>Gets a long-lived worker to listen, with as many attempts as
    /// <see cref="StormPlan.Attempts"/>.</summary>
    Task<HandOff> HandOverAsync(LineProcess worker, string owner);

    /// <summary>Starts a process that is to listen. Whether it tries again by itself is up to the
    /// process: that is what is compared.</summary>
    /// <returns>What came of it, and the process, which ends with its standard input.</returns>
    Task<(HandOff HandOff, LineProcess Process)> StartAsync(string owner);

    /// <summary>Called once the worker no longer listens.</summary>
    void Closed(HandOff handOff);
}

/// <summary>What came of one attempt to get a process to listen.</summary>
/// <param name="Port">The port it listens on.</param>
/// <param name="Took">From before the port was acquired until the daemon knows that the process
/// listens.</param>
/// <param name="Retries">How many numbers were lost on the way.</param>
/// <param name="Failure">Why it does not listen after all; null when it does.</param>
internal readonly record struct HandOff(int Port, TimeSpan Took, int Retries, string? Failure);
