using System.Diagnostics;
using System.Runtime.InteropServices;

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

    private static ProcessStartInfo Start(params string[] path)
    {
        ProcessStartInfo start = new(Path.Combine([AppContext.BaseDirectory, "programs", .. path]));
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

        // What the machine's own settings say must not reach the programs.
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("PORTMAP_", StringComparison.Ordinal)).ToArray())
        {
            start.Environment.Remove(name);
        }

        return start;
    }
}
