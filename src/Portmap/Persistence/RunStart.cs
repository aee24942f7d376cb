namespace Portmap.Persistence;

/// <summary>How a run of the registry begins.</summary>
/// <param name="BootId">The boot of the host.</param>
/// <param name="At">When.</param>
/// <param name="FirstEpoch">Where its epochs would begin if it knew of no earlier run.</param>
/// <param name="MaxOwners">How many owners it may have.</param>
internal readonly record struct RunStart(Guid BootId, DateTimeOffset At, long FirstEpoch, int MaxOwners);
