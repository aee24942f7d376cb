namespace Portmap.Rpc.Tests;

/// <summary>Tests that measure this process: they run after all others, one at a time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}
