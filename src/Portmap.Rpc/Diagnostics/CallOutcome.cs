namespace Portmap.Rpc.Diagnostics;

/// <summary>What became of a call. The names are API: they are a tag's values.</summary>
internal enum CallOutcome
{
    Answered,

    /// <summary>The answer is a refusal.</summary>
    Refused,

    /// <summary>It waits for a change; what is measured is how long it took to let it wait.</summary>
    Waits,

    /// <summary>The program has no such procedure.</summary>
    Unavailable,

    /// <summary>Its arguments make no sense.</summary>
    Garbage,

    /// <summary>The program threw.</summary>
    Failed,
}
