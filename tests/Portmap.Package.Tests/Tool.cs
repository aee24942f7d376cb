using System.Diagnostics;
using System.Text;

namespace Portmap.Package.Tests;

/// <summary>Runs a program to its end and hands back what it printed.</summary>
internal static class Tool
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(4);

    private static readonly string s_dotnetRoot = Path.GetFullPath(
        Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    public static Task<string> DotnetAsync(string folder, params string[] arguments) =>
        RunAsync(Path.Combine(s_dotnetRoot, "dotnet"), folder, arguments);

    /// <returns>Standard output, when the exit code is 0; an exception with all output
    /// otherwise.</returns>
    public static async Task<string> RunAsync(string program, string folder, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        CleanEnvironment(start.Environment);

        using Process process = Process.Start(start)!;
        using CancellationTokenSource limit = new(s_limit);
        Task<string> output = process.StandardOutput.ReadToEndAsync(limit.Token), error = process.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0
                ? await output
                : throw new InvalidOperationException(Describe(start, $"ended with exit code {process.ExitCode}", await output, await error));
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(Describe(start, $"did not end within {s_limit}", string.Empty, string.Empty));
        }
    }

    // A test host inherits variables of the build that started it; a build of its own must not see
    // them. No build server may outlive it.
    private static void CleanEnvironment(IDictionary<string, string?> environment)
    {
        foreach (string name in environment.Keys.Where(IsOfTheOuterBuild).ToList())
        {
            environment.Remove(name);
        }

        environment["DOTNET_ROOT"] = s_dotnetRoot;
        environment["MSBUILDDISABLENODEREUSE"] = "1";
        environment["UseSharedCompilation"] = "false";
    }

    private static bool IsOfTheOuterBuild(string name) =>
        name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("VSTEST", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("PORTMAP_", StringComparison.Ordinal);

    private static string Describe(ProcessStartInfo start, string what, string output, string error) =>
        new StringBuilder().Append('\'').Append(start.FileName).Append(' ').AppendJoin(' ', start.ArgumentList).Append("' ").Append(what).AppendLine(":")
            .AppendLine(output).AppendLine(error).ToString();
}
