using System.Diagnostics;
using System.Runtime.InteropServices;

namespace ManagementDaemon.Workers;

/// <summary>The programs that lie beside this one, built with it.</summary>
internal static class WorkerProgram
{
    public const string Brick = "Brick";
    public const string Snapd = "Snapd";

    /// <summary>How to start a worker: <c>workers/NAME/NAME</c> beside this program.</summary>
    public static ProcessStartInfo Find(string name) => Start(Path.Combine(AppContext.BaseDirectory, "workers", name, name));

    /// <summary>How to start this program once more, with other arguments.</summary>
    public static ProcessStartInfo FindSelf() => Start(Path.Combine(AppContext.BaseDirectory, CommandLine.Name));

    private static ProcessStartInfo Start(string path)
    {
        ProcessStartInfo start = new(OperatingSystem.IsWindows() ? path + ".exe" : path);
        if (!File.Exists(start.FileName))
        {
            throw new FileNotFoundException($"The program {start.FileName} is missing; build samples/ManagementDaemon, which puts it there.", start.FileName);
        }

        // The program looks for a runtime where one is usually installed; ours may lie elsewhere.
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return start;
    }
}
