using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace ManagementDaemon.Workers;

/// <summary>Asks a process to end. .NET has only <see cref="Process.Kill()"/>, which does not
/// ask.</summary>
internal static class PosixKill
{
    private const int SigTerm = 15;

    public static void Terminate(Process process)
    {
        // Our own child, not waited for yet, so the number cannot have gone to another process; one
        // that another daemon started was looked at just now.
        if (!process.HasExited && Kill(process.Id, SigTerm) != 0 && !process.HasExited)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
