namespace Portmap.Tool.Output;

/// <summary>Standard output takes no more: a full disk, say.</summary>
#pragma warning disable CA1032, CA1064 // thrown in one place, caught in one place
internal class OutputFailedException(string message) : IOException(message);
