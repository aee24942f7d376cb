namespace Portmap.Storm.Contestants;

/// <summary>What came of one attempt to get a process to listen.</summary>
/// <param name="Port">The port it listens on.</param>
/// <param name="Took">From before the port was acquired until the daemon knows that the process
/// listens.</param>
/// <param name="Lost">The numbers that were lost on the way.</param>
/// <param name="Failure">Why it does not listen after all; null when it does.</param>
internal sealed record HandOff(int Port, TimeSpan Took, IReadOnlyList<LostNumber> Lost, string? Failure);

/// <summary>A number that a process was to listen on, and could not.</summary>
/// <param name="Port">The number.</param>
/// <param name="From">When others could get at it: it was chosen, or its gate was about to be
/// opened, or the one before it was lost. By <see cref="System.Diagnostics.Stopwatch"/>, whose
/// clock is the machine's.</param>
/// <param name="Until">When the process had failed to listen there, and had told nobody
/// yet.</param>
internal readonly record struct LostNumber(int Port, long From, long Until);
