using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Threading.Channels;

namespace Portmap.TestKit.Processes;

/// <summary>A real process under test: its output line by line, its complaints as text, signals,
/// and no survivor when the test ends.</summary>
public sealed class ChildProcess : IAsyncDisposable
{
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly StringBuilder _errors = new();

    private ChildProcess(ProcessStartInfo start)
    {
        Signal.Interrupt.Heed();
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        Process = new Process { StartInfo = start };
        Process.OutputDataReceived += (_, e) => _ = e.Data is null ? _lines.Writer.TryComplete() : _lines.Writer.TryWrite(e.Data);
        Process.ErrorDataReceived += (_, e) => Note(e.Data);
        Process.Start();
        Process.BeginOutputReadLine();
        Process.BeginErrorReadLine();
    }

    /// <summary>The process itself.</summary>
    public Process Process { get; }

    /// <summary>Its number.</summary>
    public int Id => Process.Id;

    /// <summary>The state letter of any process: R, S, Z and so on; X when it is gone.</summary>
    public static char StateOf(int processId)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            return stat[stat.LastIndexOf(')') + 2];
        }
        catch (IOException)
        {
            return 'X';
        }
    }

    /// <summary>What it wrote to standard error so far; all of it once <see cref="ExitAsync"/> has
    /// returned.</summary>
    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    /// <summary>Starts a program with its standard streams taken over.</summary>
    public static ChildProcess Start(ProcessStartInfo start, params IEnumerable<string> arguments)
    {
        ArgumentNullException.ThrowIfNull(start);
        foreach (string argument in arguments ?? [])
        {
            start.ArgumentList.Add(argument);
        }

        return new ChildProcess(start);
    }

    /// <summary>The next line of its standard output.</summary>
    /// <exception cref="InvalidOperationException">It ended its output instead; the message holds
    /// what it complained about.</exception>
    public async Task<string> ReadLineAsync()
    {
        if (await _lines.Reader.WaitToReadAsync().Within() && _lines.Reader.TryRead(out string? line))
        {
            return line;
        }

        throw new InvalidOperationException($"{Process.StartInfo.FileName} ended with exit code {await ExitAsync()} instead of a line. {Errors}");
    }

    /// <summary>All lines that are left of its standard output, until it ends.</summary>
    /// <param name="silence">How long it may say nothing; one that goes on speaking is not held up,
    /// however long it takes.</param>
    public async Task<IReadOnlyList<string>> ReadToEndAsync(TimeSpan? silence = null)
    {
        List<string> lines = [];
        while (await _lines.Reader.WaitToReadAsync().Within(silence))
        {
            while (_lines.Reader.TryRead(out string? line))
            {
                lines.Add(line);
            }
        }

        return lines;
    }

    /// <summary>Waits for its end and, other than <see cref="Process.HasExited"/>, for the last of
    /// its output.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> ExitAsync(TimeSpan? limit = null)
    {
        await Process.WaitForExitAsync().Within(limit);
        return Process.ExitCode;
    }

    /// <summary>Sends a signal that it can answer. After SIGSTOP it stands still when this
    /// returns.</summary>
    public void Send(Signal signal)
    {
        ArgumentNullException.ThrowIfNull(signal);
        signal.SendTo(Process);
        if (signal == Signal.Stop && OperatingSystem.IsLinux() && !SpinWait.SpinUntil(StandsStill, TimeSpan.FromSeconds(30)))
        {
            throw new TimeoutException($"Process {Id} was sent SIGSTOP and does not stand still.");
        }
    }

    /// <summary>The signal has come when kill(2) returns; a thread on another processor may run on
    /// for a moment.</summary>
    private bool StandsStill()
    {
        try
        {
            return Directory.EnumerateDirectories($"/proc/{Id}/task").All(task =>
            {
                string stat = File.ReadAllText(Path.Combine(task, "stat"));
                return stat[stat.LastIndexOf(')') + 2] == 'T';
            });
        }
        catch (IOException)
        {
            return false;   // a thread ended between the two looks
        }
    }

    /// <summary>SIGKILL: it cannot answer.</summary>
    public void Kill() => Process.Kill();

    /// <summary>Kills what still runs, children included.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!Process.HasExited)
        {
            Process.Kill(entireProcessTree: true);
            await ExitAsync();
        }

        Process.Dispose();
    }

    private void Note(string? line)
    {
        if (line is not null)
        {
            lock (_errors)
            {
                _errors.AppendLine(line);
            }
        }
    }
}
