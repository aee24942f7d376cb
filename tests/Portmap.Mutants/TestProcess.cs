using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Portmap.Mutants;

/// <summary>Runs some tests of one project of the copy, with one mutant switched on or
/// none.</summary>
/// <param name="limit">A mutant may make a test wait without end. Test runs take seconds, so that
/// this is far beyond what is slow.</param>
internal sealed partial class TestProcess(TimeSpan limit)
{
    /// <summary>Runs the tests until one fails or all are over.</summary>
    public async Task<(Fate Fate, string By, double Seconds)> RunAsync(string assembly, string filter, int mutant, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new("dotnet", ["test", assembly, "--filter", filter, "--logger", "console;verbosity=normal"])
        {
            WorkingDirectory = Path.GetDirectoryName(assembly)!,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("CI");   // its results file is the gate's
        start.Environment["PORTMAP_HISTORIES"] = "3000";   // a fault that so many do not show takes another test
        if (mutant != 0)
        {
            start.Environment["MUTANT_OF_PORTMAP"] = mutant.ToString(CultureInfo.InvariantCulture);
        }

        long started = Stopwatch.GetTimestamp();
        using Process process = Process.Start(start)!;
        using var time = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        time.CancelAfter(limit);
        Task<string> errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        StringBuilder said = new();
        try
        {
            while (await process.StandardOutput.ReadLineAsync(time.Token).ConfigureAwait(false) is { } line)
            {
                said.AppendLine(line);
                if (Failed().Match(line) is { Success: true } failed)
                {
                    return (Fate.Caught, failed.Groups[1].Value, Stopwatch.GetElapsedTime(started).TotalSeconds);
                }
            }

            await process.WaitForExitAsync(time.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return (Fate.Hung, string.Create(CultureInfo.InvariantCulture, $"no end within {limit.TotalSeconds:0} s"), Stopwatch.GetElapsedTime(started).TotalSeconds);
        }
        finally
        {
            process.Kill(entireProcessTree: true);   // one failed test is enough, and a test that waits waits for ever
        }

        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        string all = said.Append(await errors.ConfigureAwait(false)).ToString();
        return process.ExitCode == 0
            ? all.Contains("No test matches", StringComparison.Ordinal) ? (Fate.NotRun, "no test matches the filter", seconds)
                : Passed().IsMatch(all) ? (Fate.Alive, string.Empty, seconds)
                : (Fate.NotRun, "all tests were skipped", seconds)
            : all.Contains("aborted", StringComparison.OrdinalIgnoreCase) ? (Fate.Hung, "the test process was lost", seconds)
            : (Fate.NotRun, all.Trim().Split('\n')[^1], seconds);
    }

    [GeneratedRegex(@"^\s+Passed:\s+[1-9]", RegexOptions.Multiline)]
    private static partial Regex Passed();

    [GeneratedRegex(@"^\s+Failed ([^\s(]+)")]
    private static partial Regex Failed();
}
