using System.Diagnostics;
using System.Text;

namespace Portmap.Pictures;

/// <summary>What a command wrote to its terminal: the lines, and when each was complete.</summary>
/// <param name="Lines">The lines, with their colours as the command wrote them (ECMA-48).</param>
/// <param name="Length">From the start to the end of the command.</param>
internal sealed record Recording(IReadOnlyList<(TimeSpan At, string Text)> Lines, TimeSpan Length)
{
    /// <summary>How many characters a line of the terminal takes.</summary>
    public const int Columns = 100;

    /// <summary>Runs the command in a pseudo-terminal, which script(1) makes, and waits for its
    /// end.</summary>
    /// <param name="command">The program and its arguments.</param>
    public static async Task<(Recording Recording, int ExitCode)> MakeAsync(IReadOnlyList<string> command)
    {
        string line = string.Join(' ', command.Select(word => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'"));
        ProcessStartInfo start = new("script") { RedirectStandardInput = true, RedirectStandardOutput = true, StandardOutputEncoding = Encoding.UTF8 };
        string[] arguments = ["--quiet", "--flush", "--return", "--command", $"stty cols {Columns}; exec {line}", "/dev/null"];
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        (start.Environment["TERM"], start.Environment["LANG"]) = ("xterm-256color", "C.UTF-8");
        long started = Stopwatch.GetTimestamp();
        using Process script = Process.Start(start)!;
        List<(TimeSpan, string)> lines = [];
        while (await script.StandardOutput.ReadLineAsync() is { } text)
        {
            lines.Add((Stopwatch.GetElapsedTime(started), text));
        }

        await script.WaitForExitAsync();
        return (new Recording(lines, Stopwatch.GetElapsedTime(started)), script.ExitCode);
    }
}
