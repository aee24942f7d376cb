using System.Diagnostics;

namespace Portmap.Tests.Support;

/// <summary>A real process that does nothing for ten minutes, for claims whose process must be
/// alive, or be seen to die.</summary>
internal sealed class Child : IDisposable
{
    public Child(Process process) => Process = process;

    public Process Process { get; }

    public int Id => Process.Id;

    public static Child Start() => new(Process.Start(new ProcessStartInfo("/bin/sleep", "600"))!);

    /// <summary>Starts a program whose standard output the test reads.</summary>
    public static Child Start(string program, params string[] arguments) =>
        new(Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!);

    public static Child Start(ProcessStartInfo start) => new(Process.Start(start)!);

    /// <summary>SIGKILL; returns when the process is gone from the process table, not only asked to
    /// go.</summary>
    public void Kill()
    {
        Process.Kill();
        Process.WaitForExit(Deadline.Default).Should().BeTrue("SIGKILL ends every process");
    }

    public void Dispose()
    {
        if (!Process.HasExited)
        {
            Kill();
        }

        Process.Dispose();
    }
}
