namespace Portmap.TestKit.Histories;

/// <summary>One operation of a history: what was called and answered, and between which two
/// moments.</summary>
/// <typeparam name="T">The call with its answer.</typeparam>
/// <param name="Call">The call with its answer.</param>
/// <param name="Began">A number lower than that of everything that happened after the call was
/// made.</param>
/// <param name="Ended">A number higher than that of everything that happened before the answer
/// came.</param>
public readonly record struct Timed<T>(T Call, long Began, long Ended);
