namespace Portmap.Concurrency.Tests.Controls;

/// <summary>What is wrong with a <see cref="BrokenPortBook"/>. Each is a fault that a registry
/// without one atomic step makes.</summary>
internal enum SeededBug
{
    /// <summary>Nothing: one lock around everything. Shows that the audit does not cry
    /// wolf.</summary>
    None,

    /// <summary>Looks whether the port is taken and takes it in two steps.</summary>
    PortCheckThenAct,

    /// <summary>Looks whether the owner has a lease and grants one in two steps.</summary>
    OwnerCheckThenAct,

    /// <summary>A replaced claim leaves without an ending.</summary>
    LostEnding,

    /// <summary>A replacement takes the old entry away before it brings the new one.</summary>
    GapInReplacement,
}
