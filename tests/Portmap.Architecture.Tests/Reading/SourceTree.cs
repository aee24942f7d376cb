using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Portmap.Architecture.Tests.Reading;

/// <summary>
/// The types of a folder of sources: where each stands, how long it is, and what its methods take.
/// </summary>
/// <remarks>
/// What is counted as a parameter is what a caller has to think of. Not counted are a
/// CancellationToken, the fields of a positional record, the holes of a log message, and what a
/// system call dictates.
/// </remarks>
internal sealed class SourceTree
{
    private static readonly string[] s_dictated = ["LoggerMessage", "LibraryImport", "DllImport"];

    private SourceTree(IReadOnlyDictionary<string, SourceType> types, IReadOnlyList<int> fileLines)
    {
        Types = types;
        FileLines = fileLines;
    }

    public IReadOnlyDictionary<string, SourceType> Types { get; }

    /// <summary>The length of each file in lines, the shortest first.</summary>
    public IReadOnlyList<int> FileLines { get; }

    public static SourceTree OfFolder(string root) => Of(FilesOf(root));

    /// <summary>The sources below a folder, and not what a build made there.</summary>
    public static IEnumerable<(string Path, string Text)> FilesOf(string root) =>
        from path in Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
        let relative = Path.GetRelativePath(root, path)
        where !relative.Split('/').Any(part => part is "obj" or "bin")
        select (relative, File.ReadAllText(path));

    public static SourceTree Of(IEnumerable<(string Path, string Text)> files)
    {
        var types = new Dictionary<string, SourceType>();
        var lengths = new List<int>();
        foreach ((string path, string text) in files.OrderBy(file => file.Path, StringComparer.Ordinal))
        {
            SyntaxTree tree = CSharpSyntaxTree.ParseText(text, path: path);
            lengths.Add(text.Count(c => c == '\n'));
            foreach (MemberDeclarationSyntax declaration in tree.GetRoot().DescendantNodes(node => node is not BaseTypeDeclarationSyntax).OfType<MemberDeclarationSyntax>())
            {
                if (NameOf(declaration) is { } name)
                {
                    types[name] = Joined(types.GetValueOrDefault(name), PartOf(name, declaration, path));
                }
            }
        }

        lengths.Sort();
        return new SourceTree(types, lengths);
    }

    private static string? NameOf(MemberDeclarationSyntax declaration) => declaration switch
    {
        BaseTypeDeclarationSyntax type => type.Identifier.Text,
        DelegateDeclarationSyntax @delegate => @delegate.Identifier.Text,
        _ => null,
    };

    /// <summary>One name in two folders would hide an edge, so that it is refused.</summary>
    private static SourceType Joined(SourceType? before, SourceType part) => before switch
    {
        null => part,
        _ when before.Folder != part.Folder => throw new InvalidDataException(
            $"{part.Name} stands in '{before.Folder}' and in '{part.Folder}'. The parts of a type share a folder, and two types do not share a name."),
        _ => before with { Files = [.. before.Files, .. part.Files], Lines = before.Lines + part.Lines, Methods = [.. before.Methods, .. part.Methods] },
    };

    private static SourceType PartOf(string name, MemberDeclarationSyntax declaration, string path) =>
        new(name, Path.GetDirectoryName(path)!, [path], LinesOf(declaration), [.. MethodsOf(name, declaration, path)]);

    private static int LinesOf(MemberDeclarationSyntax declaration)
    {
        SyntaxTrivia docs = declaration.GetLeadingTrivia().FirstOrDefault(trivia => !trivia.IsKind(SyntaxKind.WhitespaceTrivia) && !trivia.IsKind(SyntaxKind.EndOfLineTrivia));
        SyntaxTree tree = declaration.SyntaxTree;
        int first = tree.GetLineSpan(docs == default ? declaration.Span : docs.FullSpan).StartLinePosition.Line;
        return tree.GetLineSpan(declaration.Span).EndLinePosition.Line - first + 1;
    }

    private static IEnumerable<SourceMethod> MethodsOf(string type, SyntaxNode declaration, string path) =>
        from node in declaration.DescendantNodesAndSelf()
        let signature = SignatureOf(node)
        where signature.Parameters is not null
        let counted = signature.Parameters!.Parameters.Where(parameter => parameter.Type?.ToString() is not ("CancellationToken" or "CancellationToken?")).ToList()
        let line = node.GetLocation().GetLineSpan().StartLinePosition.Line + 1
        select new SourceMethod($"{type}.{signature.Name}", counted.Count, counted.Count(parameter => parameter.Modifiers.Any(SyntaxKind.OutKeyword)), $"{path}:{line}");

    private static (string Name, BaseParameterListSyntax? Parameters) SignatureOf(SyntaxNode node) => node switch
    {
        MethodDeclarationSyntax method when method.AttributeLists.SelectMany(list => list.Attributes).Any(attribute => s_dictated.Contains(attribute.Name.ToString().Split('.')[^1])) => default,
        MethodDeclarationSyntax method => (method.Identifier.Text, method.ParameterList),
        ConstructorDeclarationSyntax constructor => (constructor.Identifier.Text, constructor.ParameterList),
        LocalFunctionStatementSyntax local => (local.Identifier.Text, local.ParameterList),
        DelegateDeclarationSyntax @delegate => (@delegate.Identifier.Text, @delegate.ParameterList),
        IndexerDeclarationSyntax indexer => ("this[]", indexer.ParameterList),
        RecordDeclarationSyntax => default,
        TypeDeclarationSyntax { ParameterList: { } list } primary => (primary.Identifier.Text, list),
        _ => default,
    };
}
