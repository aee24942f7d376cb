using System.Reflection;

namespace Portmap.Tests;

/// <summary>The budget of the public surface: a concept more is a decision, not an
/// accident.</summary>
public class PublicSurfaceTests
{
    [Fact]
    public void Portmap_PublicTypes_AreAtMost30() =>
        typeof(PortRegistry).Assembly.GetExportedTypes().Length.Should().BeLessThanOrEqualTo(30);

    [Fact]
    public void PortRegistry_PublicMembers_AreAtMost14()
    {
        IEnumerable<string> names = typeof(PortRegistry)
            .GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Where(member => member is not MethodInfo { IsSpecialName: true })
            .Select(member => member.Name == "DisposeAsync" ? "Dispose" : member.Name)
            .Distinct();

        names.Should().HaveCountLessThanOrEqualTo(14);
    }

    [Fact]
    public void Portmap_References_AreTheTwoPackagesAndTheFramework() =>
        typeof(PortRegistry).Assembly.GetReferencedAssemblies().Select(name => name.Name!)
            .Where(name => !name.StartsWith("System.", StringComparison.Ordinal) && name is not ("System" or "Microsoft.Win32.Primitives"))
            .Should().BeSubsetOf(
            [
                "Microsoft.Extensions.Options",
                "Microsoft.Extensions.Logging.Abstractions",
                "Microsoft.Extensions.DependencyInjection.Abstractions", // comes with the two
            ]);
}
