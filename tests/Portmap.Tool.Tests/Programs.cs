using System.Diagnostics;

namespace Portmap.Tool.Tests;

/// <summary>The tool and the daemon, built with these tests and copied beside them.</summary>
internal static class Programs
{
    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "programs");

    public static string ToolPath { get; } = Path.Combine(s_folder, "Portmap.Tool", "Portmap.Tool");

    public static string RuntimeRoot => TestPrograms.RuntimeRoot;

    public static ProcessStartInfo Tool => Start(ToolPath);

    /// <summary>A program that signs in and listens on one port of the kernel's choice.</summary>
    public static ProcessStartInfo Worker => Start(Path.Combine(s_folder, "ManagementDaemon", "workers", "Snapd", "Snapd"));

    /// <summary>A real daemon, up when this returns.</summary>
    public static async Task<ChildProcess> ServeAsync(string socket, params IEnumerable<string> more)
    {
        ChildProcess daemon = ChildProcess.Start(Start(Path.Combine(s_folder, "ManagementDaemon", "ManagementDaemon")), ["serve", "--unix", socket, .. more]);
        (await daemon.ReadLineAsync()).Should().StartWith("ready ");
        return daemon;
    }

    /// <summary>As <see cref="ServeAsync"/>, in a pid namespace of its own.</summary>
    public static async Task<ChildProcess> ServeApartAsync(string socket, params IEnumerable<string> more)
    {
        ProcessStartInfo start = Start(Path.Combine(s_folder, "ManagementDaemon", "ManagementDaemon"));
        ChildProcess daemon = StartApart(start, ["serve", "--unix", socket, .. more]);
        (await daemon.ReadLineAsync()).Should().StartWith("ready ");
        return daemon;
    }

    /// <summary>Starts a program in a pid namespace of its own, where it sees none of our
    /// processes.</summary>
    public static ChildProcess StartApart(ProcessStartInfo start, params IEnumerable<string> arguments)
    {
        string program = start.FileName;
        start.FileName = "unshare";
        return ChildProcess.Start(start, ["--pid", "--fork", "--kill-child", "--mount-proc", program, .. arguments]);
    }

    private static ProcessStartInfo Start(string path) => TestPrograms.Start([path], "XDG_RUNTIME_DIR", "NO_COLOR");
}
