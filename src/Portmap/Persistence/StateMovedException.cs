namespace Portmap.Persistence;

/// <summary>What a store writes to is not what its path leads to any more.</summary>
/// <remarks>What was written is of no use to the next daemon.</remarks>
internal sealed class StateMovedException(string message) : IOException(message);
