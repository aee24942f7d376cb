namespace Portmap.Rpc.Tests;

/// <summary>The budget of the public surface: a concept more is a decision, not an
/// accident.</summary>
public class PublicSurfaceTests
{
    [Fact]
    public void PortmapRpc_PublicTypes_AreAtMost12() =>
        typeof(PortmapServer).Assembly.GetExportedTypes().Should().HaveCountLessThanOrEqualTo(12);
}
