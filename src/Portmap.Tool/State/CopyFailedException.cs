namespace Portmap.Tool.State;

/// <summary>The copy of a state cannot be worked with, which is no word about the state.</summary>
#pragma warning disable CA1032, CA1064 // thrown in one place
internal sealed class CopyFailedException(string original, string why, Exception reason)
    : FileFailedException($"A copy of {original} cannot be worked with: {why} TMPDIR says where copies are made.", reason);
