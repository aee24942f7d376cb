using System.Diagnostics;

namespace Portmap.Wire;

/// <summary>Programs of the machine.</summary>
internal static class Command
{
    /// <summary>Runs one to its end.</summary>
    /// <returns>The first line it printed.</returns>
    public static string Run(string program, params IEnumerable<string> arguments)
    {
        using Process process = Start(isPinned: false, program, arguments);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output.Split('\n')[0] : throw new InvalidOperationException($"{program} failed with exit code {process.ExitCode}.");
    }

    /// <summary>Starts one with its input and output taken over.</summary>
    /// <param name="isPinned">Whether it is to run on CPU 0 only.</param>
    /// <param name="program">Where it is.</param>
    /// <param name="arguments">What it is given.</param>
    public static Process Start(bool isPinned, string program, params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = isPinned ? new("taskset", ["-c", "0", program, .. arguments]) : new(program, arguments);
        start.RedirectStandardInput = start.RedirectStandardOutput = true;
        return Process.Start(start)!;
    }

    public static bool Exists(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
}
