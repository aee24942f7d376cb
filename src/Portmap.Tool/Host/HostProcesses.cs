using Portmap.Native;
using Portmap.Processes;

namespace Portmap.Tool.Host;

/// <summary>What this host says of a process.</summary>
internal static class HostProcesses
{
    /// <summary>Whether it can still serve; true where that cannot be told.</summary>
    public static bool IsAlive(int processId) =>
        !OperatingSystem.IsLinux() || (Posix.IsThere(processId) && (!ProcessStat.TryRead(processId, out ProcessStat stat) || stat.IsAlive));
}
