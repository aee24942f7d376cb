using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Portmap.TestKit.Processes;

/// <summary>A POSIX signal. .NET sends SIGKILL only.</summary>
public sealed class Signal
{
    private readonly int _number;

    private Signal(int number) => _number = number;

    /// <summary>SIGINT, what Ctrl+C sends.</summary>
    public static Signal Interrupt { get; } = new(2);

    /// <summary>SIGSTOP: it stands still until <see cref="Continue"/>; the number is Linux's.</summary>
    public static Signal Stop { get; } = new(19);

    /// <summary>SIGCONT; the number is Linux's.</summary>
    public static Signal Continue { get; } = new(18);

    /// <summary>SIGTERM, what a supervisor sends.</summary>
    public static Signal Terminate { get; } = new(15);

    internal void SendTo(Process process)
    {
        if (Kill(process.Id, _number) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
