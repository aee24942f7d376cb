using Portmap.Native;

namespace Portmap.Processes;

/// <summary>Which user a process acts as: its effective one.</summary>
/// <remarks>Where /proc is of another pid namespace than ours its numbers are other processes', and
/// nobody's user is known. Safe for any thread.</remarks>
internal static class ProcessUser
{
    public const uint Root = 0;

    /// <summary>The user of this process; null where users are not known (not Linux).</summary>
    public static uint? Own => PosixFile.OwnUserId;

    /// <summary>The user of a process; null when it is not known.</summary>
    public static uint? Of(int processId) =>
        processId > 0 && OperatingSystem.IsLinux() && ProcessIdentity.IsProcOurs ? PosixFile.OfProcess(processId) : null;
}
