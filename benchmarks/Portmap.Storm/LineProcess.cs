using System.Diagnostics;

namespace Portmap.Storm;

/// <summary>A child process that is asked by lines and answers by lines, and ends with its standard
/// input.</summary>
internal sealed class LineProcess : IChild
{
    /// <summary>How long anything that a child does may take.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Task<string> _errors;

    public LineProcess(ProcessStartInfo start)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        Process = Process.Start(start)!;
        Process.StandardInput.AutoFlush = true;
        _errors = Process.StandardError.ReadToEndAsync();
    }

    public Process Process { get; }

    public int Id => Process.Id;

    public async Task<string> AskAsync(string line)
    {
        await Process.StandardInput.WriteLineAsync(line);
        return await ReadAsync() ?? throw new InvalidOperationException($"'{line}' was not answered: the process ended. {await _errors}");
    }

    /// <returns>The next line, or null when the process has ended instead.</returns>
    public async Task<string?> ReadAsync() => await Process.StandardOutput.ReadLineAsync().WaitAsync(Limit);

    public async ValueTask DisposeAsync()
    {
        Process.StandardInput.Close();
        try
        {
            await Process.WaitForExitAsync().WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            Process.Kill();
        }

        Process.Dispose();
    }
}
