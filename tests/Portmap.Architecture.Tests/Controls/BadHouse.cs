using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Portmap.Architecture.Tests.Rules;

namespace Portmap.Architecture.Tests.Controls;

/// <summary>
/// A small house in which something is wrong, built from source as the real ones are.
/// </summary>
internal static class BadHouse
{
    private static readonly IReadOnlyList<MetadataReference> s_framework =
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path))];

    /// <summary>
    /// Each file is a folder and its text; types of the folder "" are values, or the facade when
    /// they bear its name.
    /// </summary>
    public static House Of(params (string Folder, string Text)[] files) => Of(Sizes.OfTheWire, files);

    public static House Of(Sizes sizes, params (string Folder, string Text)[] files)
    {
        List<(string Path, string Text)> sources = [.. files.Select((file, at) => ($"{file.Folder}/{at}.cs".TrimStart('/'), file.Text))];
        CSharpCompilation compilation = CSharpCompilation.Create("Bad", [.. sources.Select(file => CSharpSyntaxTree.ParseText(file.Text))], s_framework,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
        using var assembly = new MemoryStream();
        compilation.Emit(assembly).Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).Should().BeEmpty();
        assembly.Position = 0;
        return House.Of("Bad", assembly, sources, Plan.Core, sizes);
    }

    public static IEnumerable<string> Offences(this House house) => HouseRules.Of(house).Select(offence => offence.Line);
}
