using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Portmap.TestKit.Processes;

/// <summary>A POSIX signal. .NET sends SIGKILL only.</summary>
public sealed class Signal
{
    private const nint DefaultAction = 0;   // SIG_DFL
    private const nint NoAction = 1;        // SIG_IGN

    private readonly int _number;

    private Signal(int number) => _number = number;

    /// <summary>SIGINT, what Ctrl+C sends.</summary>
    public static Signal Interrupt { get; } = new(2);

    /// <summary>SIGSTOP: it stands still until <see cref="Continue"/>; the number is
    /// Linux's.</summary>
    public static Signal Stop { get; } = new(19);

    /// <summary>SIGCONT; the number is Linux's.</summary>
    public static Signal Continue { get; } = new(18);

    /// <summary>SIGTERM, what a supervisor sends.</summary>
    public static Signal Terminate { get; } = new(15);

    /// <summary>Has this process not ignore it, which its children would inherit: a shell without
    /// job control starts its background jobs deaf to SIGINT.</summary>
    internal void Heed()
    {
        const string Mask = "SigIgn:";
        string? ignored = OperatingSystem.IsLinux() ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith(Mask, StringComparison.Ordinal)) : null;
        if (ignored is not null && (ulong.Parse(ignored.AsSpan(Mask.Length), NumberStyles.HexNumber | NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture) >> (_number - 1) & 1) != 0)
        {
            SetHandler(_number, DefaultAction);
        }
    }

    /// <summary>Has this process ignore it, as it may have been started to.</summary>
    public void Ignore() => SetHandler(_number, NoAction);

    /// <summary>Sends it to a process that another one started.</summary>
    public void SendTo(int processId)
    {
        if (Kill(processId, _number) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    internal void SendTo(Process process) => SendTo(process.Id);

    [DllImport("libc", EntryPoint = "signal")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint SetHandler(int signal, nint handler);

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
