using System.Diagnostics;

namespace Portmap.Docs.Tests;

/// <summary>The programs that pages speak of.</summary>
internal static class Programs
{
    /// <summary>The command <c>portmap</c>.</summary>
    public static ProcessStartInfo Tool => Start("Portmap.Tool", "Portmap.Tool");

    /// <summary>The sample daemon.</summary>
    public static ProcessStartInfo Daemon => Start("ManagementDaemon", "ManagementDaemon");

    /// <summary>A worker of the sample daemon.</summary>
    public static ProcessStartInfo Brick => Start("ManagementDaemon", "workers", "Brick", "Brick");

    private static ProcessStartInfo Start(params string[] path) => TestPrograms.Start(path);
}
