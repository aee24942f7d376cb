using System.Text.RegularExpressions;

namespace Portmap.Docs.Tests;

/// <summary>The pages of the site and the README, and their code blocks.</summary>
internal static partial class Pages
{
    /// <summary>The top of the repository.</summary>
    public static string Root => RepositoryFiles.Root;

    /// <summary>Paths below <see cref="Root"/>.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        "README.md",
        .. Directory.EnumerateFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path))
            .Where(path => !path.StartsWith(Path.Combine("docs", "api"), StringComparison.Ordinal))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>One page, for a theory.</summary>
    public static TheoryData<string> Each => [.. All];

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path)).ReplaceLineEndings("\n");

    public static IEnumerable<CodeBlock> Blocks(string page) =>
        Block().Matches(Read(page)).Select(match => new CodeBlock(
            page,
            match.Groups["language"].Value,
            match.Groups["from"].Success ? match.Groups["from"].Value : null,
            match.Groups["code"].Value.TrimEnd('\n').Split('\n')));

    /// <summary>The rows of all tables of a page, as their cells.</summary>
    public static IEnumerable<string[]> Rows(string page) =>
        Read(page).Split('\n')
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal))
            .Select(line => Cell().Split(line.Trim().Trim('|')).Select(cell => cell.Trim().Replace("\\|", "|", StringComparison.Ordinal)).ToArray());

    [GeneratedRegex(@"(?:<!-- from: (?<from>\S+) -->\n)?^```(?<language>[^\n]*)\n(?<code>.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Block();

    [GeneratedRegex(@"(?<!\\)\|")]
    private static partial Regex Cell();
}
