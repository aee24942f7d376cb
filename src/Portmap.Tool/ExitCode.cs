namespace Portmap.Tool;

/// <summary>What the exit codes of every verb mean; README.md lists them for users.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>There is nothing such: no owner, no port, no file kept aside.</summary>
    public const int Nothing = 1;

    /// <summary>The command line, or a variable, cannot be meant so.</summary>
    public const int Misuse = 2;

    /// <summary>No daemon of this version, or no etcd, answers there, or not in time; or the kernel
    /// cannot be asked.</summary>
    public const int Unreachable = 3;

    /// <summary>The daemon, the registry, etcd or this program refuses it.</summary>
    public const int Refused = 4;

    /// <summary>It was looked at, and something is wrong with it.</summary>
    public const int Findings = 5;

    /// <summary>A file or folder could not be read or written.</summary>
    public const int Unreadable = 6;

    /// <summary>A mistake of this program.</summary>
    public const int Internal = 70;

    /// <summary>Ended by Ctrl+C, as a shell says it.</summary>
    public const int Interrupted = 130;

    /// <summary>Ended by SIGTERM, as a shell says it.</summary>
    public const int Terminated = 143;
}
