using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Portmap.Mutants;

/// <summary>Runs some tests of one project of the copy, with one mutant switched on or
/// none.</summary>
internal static partial class TestProcess
{
    /// <summary>A mutant may make a test wait without end. Test runs take seconds, so that this is
    /// far beyond what is slow.</summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(3);

    public static async Task<(Fate Fate, string By, double Seconds)> RunAsync(string assembly, string filter, int mutant, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new("dotnet", ["test", assembly, "--filter", filter, "--logger", "console;verbosity=normal"])
        {
            WorkingDirectory = Path.GetDirectoryName(assembly)!,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("CI");   // its results file is the gate's
        if (mutant != 0)
        {
            start.Environment["PORTMAP_MUTANT"] = mutant.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        long started = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start)!;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(s_limit);
        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None), errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellationToken.ThrowIfCancellationRequested();
            return (Fate.Hung, $"no end within {s_limit}", Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        string said = await output.ConfigureAwait(false) + await errors.ConfigureAwait(false);
        return process.ExitCode == 0
            ? said.Contains("No test matches", StringComparison.Ordinal) ? (Fate.NotRun, "no test matches the filter", seconds) : (Fate.Alive, string.Empty, seconds)
            : Failed().Match(said) is { Success: true } failed ? (Fate.Caught, failed.Groups[1].Value, seconds)
            : said.Contains("aborted", StringComparison.OrdinalIgnoreCase) ? (Fate.Hung, "the test process was lost", seconds)
            : (Fate.NotRun, said.Trim().Split('\n')[^1], seconds);
    }

    [GeneratedRegex(@"^\s+Failed ([^\s(]+)", RegexOptions.Multiline)]
    private static partial Regex Failed();
}
