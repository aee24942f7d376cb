namespace Portmap.Tool.Tests;

/// <summary>What a run of the tool left behind.</summary>
internal sealed record Outcome(int ExitCode, IReadOnlyList<string> Lines, string Errors)
{
    public string Text => string.Join('\n', Lines);
}
