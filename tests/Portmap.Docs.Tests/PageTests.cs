using System.Text.RegularExpressions;

namespace Portmap.Docs.Tests;

/// <summary>What the pages show is what is compiled and run, and what they point to is
/// there.</summary>
public sealed partial class PageTests
{
    // Each is looked at by a test: by the ones here, or by ConfigurationTests and ShellTests. A
    // text is a drawing, or what a program printed.
    private static readonly string[] s_checkedElsewhere = ["json", "sh", "text"];

    [Theory]
    [MemberData(nameof(Pages.Each), MemberType = typeof(Pages))]
    public void CodeBlocks_OfAPage_StandInTheFilesTheyName(string page)
    {
        foreach (CodeBlock block in Pages.Blocks(page).Where(block => block.From is not null))
        {
            block.StandsIn(Pages.Read(block.From!).Split('\n')).Should().BeTrue($"{block} is from {block.From}");
        }
    }

    [Theory]
    [MemberData(nameof(Pages.Each), MemberType = typeof(Pages))]
    public void CodeBlocks_OfAPage_AreAllCheckedBySomething(string page)
    {
        if (page == "README.md")
        {
            return;   // its drawing has no language, and its shell commands are those of the gate
        }

        CodeBlock[] unchecked_ = [.. Pages.Blocks(page).Where(block => block.From is null && !s_checkedElsewhere.Contains(block.Language))];

        unchecked_.Should().BeEmpty("a block of code says where it is from");
    }

    [Theory]
    [MemberData(nameof(Pages.Each), MemberType = typeof(Pages))]
    public void PathsInBackticks_OfAPage_AreThere(string page)
    {
        string[] missing = [.. RepositoryPath().Matches(Pages.Read(page)).Select(match => match.Groups["path"].Value).Where(path => !Exists(path))];

        missing.Should().BeEmpty();
    }

    [Theory]
    [MemberData(nameof(Pages.Each), MemberType = typeof(Pages))]
    public void Prose_OfAPage_IsAtMost100Wide(string page)
    {
        bool inBlock = false;
        List<string> wide = [];
        foreach (string line in Pages.Read(page).Split('\n'))
        {
            inBlock ^= line.StartsWith("```", StringComparison.Ordinal);
            bool isTable = line.StartsWith('|'), isLink = line.Contains("](", StringComparison.Ordinal);
            if (!inBlock && !isTable && !isLink && line.Length > 100)
            {
                wide.Add(line);
            }
        }

        wide.Should().BeEmpty();
    }

    private static bool Exists(string path)
    {
        string full = Path.Combine(Pages.Root, path);
        return File.Exists(full) || Directory.Exists(full);
    }

    [GeneratedRegex(@"`(?<path>(?:src|tests|samples|benchmarks|docs|\.ci)/[\w./@-]+)`")]
    private static partial Regex RepositoryPath();
}
