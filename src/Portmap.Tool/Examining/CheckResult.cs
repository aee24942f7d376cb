namespace Portmap.Tool.Examining;

/// <summary>What came of looking.</summary>
internal enum CheckResult
{
    /// <summary>Nothing is wrong.</summary>
    Ok,

    /// <summary>Something is that weakens nothing as things are.</summary>
    Note,

    /// <summary>Something is.</summary>
    Found,

    /// <summary>It cannot be told from here.</summary>
    Unknown,
}
