namespace Portmap.Docs.Tests;

/// <summary>One block of code of a page.</summary>
/// <param name="Page">Where it stands.</param>
/// <param name="Language">What follows the three backticks.</param>
/// <param name="From">The file that the comment above it names.</param>
/// <param name="Lines">The code.</param>
internal sealed record CodeBlock(string Page, string Language, string? From, string[] Lines)
{
    /// <summary>Whether it stands in a file: its lines side by side, all moved by the same number
    /// of blanks. The using directives of a block are looked for one by one.</summary>
    public bool StandsIn(string[] file)
    {
        string[] usings = [.. Lines.TakeWhile(line => line.StartsWith("using ", StringComparison.Ordinal) && line.EndsWith(';') && !line.Contains('=', StringComparison.Ordinal))];
        string[] rest = [.. Lines.Skip(usings.Length).SkipWhile(line => line.Length == 0)];
        return usings.All(file.Contains) && (rest.Length == 0 || Enumerable.Range(0, file.Length).Any(start => StandsAt(rest, file, start)));
    }

    public override string ToString() => $"{Page}: {Lines.FirstOrDefault(line => line.Length != 0)}";

    private static bool StandsAt(string[] lines, string[] file, int start)
    {
        if (start + lines.Length > file.Length || !file[start].EndsWith(lines[0], StringComparison.Ordinal))
        {
            return false;
        }

        string indent = file[start][..^lines[0].Length];
        return string.IsNullOrWhiteSpace(indent)
            && Enumerable.Range(0, lines.Length).All(i => file[start + i] == (lines[i].Length == 0 ? "" : indent + lines[i]));
    }
}
