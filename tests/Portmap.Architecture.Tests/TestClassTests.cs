using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Portmap.Architecture.Tests.Reading;

namespace Portmap.Architecture.Tests;

/// <summary>What a test class sets up is taken down again.</summary>
/// <remarks>xunit 2 calls <see cref="IAsyncLifetime.DisposeAsync"/> of a test class and not
/// <see cref="IAsyncDisposable.DisposeAsync"/>. A class with the second keeps its daemons running
/// beside the tests that follow, and nobody sees when they cannot be disposed.</remarks>
public class TestClassTests
{
    public static IEnumerable<object[]> EachProject { get; } =
        from folder in Directory.EnumerateDirectories(Path.Combine(RepositoryFiles.Root, "tests"), "*.Tests").Order(StringComparer.Ordinal)
        select new object[] { Path.GetFileName(folder) };

    [Theory]
    [MemberData(nameof(EachProject))]
    public void TestClass_ThatIsDisposedAsynchronously_IsSoThatXunitDisposesIt(string project) =>
        (from file in SourceTree.FilesOf(Path.Combine(RepositoryFiles.Root, "tests", project))
         from name in NeverDisposed(file.Text)
         select $"{name}: inherit AsyncTest, or implement IAsyncLifetime too").Should().BeEmpty();

    [Theory]
    [InlineData("public class A : IAsyncDisposable { }", "A")]
    [InlineData("public sealed class A : Contract, System.IAsyncDisposable { }", "A")]
    [InlineData("public sealed class A : IDisposable, IAsyncDisposable { }", "A")]
    [InlineData("public class A : IAsyncLifetime { }", null)]
    [InlineData("public class A : IAsyncLifetime, IAsyncDisposable { }", null)]
    [InlineData("public class A { private class Scene : IAsyncDisposable { } }", null)]
    [InlineData("internal class Scene : IAsyncDisposable { }", null)]
    public void Detector_OfAClass_NamesItWhenItIsNeverDisposed(string text, string? named) =>
        NeverDisposed(text).Should().BeEquivalentTo(named is null ? [] : new[] { named });

    /// <summary>A class of tests is public; what its tests dispose themselves is not.</summary>
    private static IEnumerable<string> NeverDisposed(string text) =>
        from type in CSharpSyntaxTree.ParseText(text).GetRoot().DescendantNodes().OfType<ClassDeclarationSyntax>()
        where type.Modifiers.Any(SyntaxKind.PublicKeyword)
        let bases = type.BaseList?.Types.Select(@base => @base.Type.ToString().Split('.')[^1]).ToList() ?? []
        where bases.Contains("IAsyncDisposable") && !bases.Contains("IAsyncLifetime")
        select type.Identifier.Text;
}
