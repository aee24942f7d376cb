namespace Portmap.Rpc.Tests;

/// <summary>Tests of what the whole process uses: nothing runs beside them.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
