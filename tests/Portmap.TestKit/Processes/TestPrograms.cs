using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Portmap.TestKit.Processes;

/// <summary>Programs that were built with the tests and lie beside them.</summary>
public static class TestPrograms
{
    /// <summary>Where the runtime is that runs the tests.</summary>
    public static string RuntimeRoot { get; } = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    /// <summary>How one is started. What the machine's own settings say must not reach it.</summary>
    /// <param name="path">Its project, what lies between, and its name.</param>
    /// <param name="without">Variables that it does not get either, by how they begin.</param>
    public static ProcessStartInfo Start(IEnumerable<string> path, params IEnumerable<string> without)
    {
        ProcessStartInfo start = new(Path.Combine([AppContext.BaseDirectory, "programs", .. path]));
        start.Environment["DOTNET_ROOT"] = RuntimeRoot;
        string[] begins = ["PORTMAP_", .. without];
        foreach (string name in start.Environment.Keys.Where(name => begins.Any(begin => name.StartsWith(begin, StringComparison.Ordinal))).ToArray())
        {
            start.Environment.Remove(name);
        }

        return start;
    }
}
