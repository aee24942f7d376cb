namespace Portmap.Tool.Output;

/// <summary>Whoever read our output has read enough.</summary>
#pragma warning disable CA1032, CA1064 // thrown in one place, caught in one place
internal sealed class ReaderGoneException() : OutputFailedException("The reader of standard output has gone.");
