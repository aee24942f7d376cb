namespace Portmap.Tests.Support;

/// <summary>Tests that run after all others, one at a time: those that count what the whole process
/// has open or on its heap, and those that ask who gets a port that was let go just now. A process
/// that another test starts meanwhile holds a copy of each socket until it becomes its
/// program.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}
