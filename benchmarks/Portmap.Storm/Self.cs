using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Portmap.Storm;

/// <summary>This program, once more.</summary>
internal static class Self
{
    public static ProcessStartInfo Start(string verb, params IReadOnlyList<string> arguments)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "Portmap.Storm")) { ArgumentList = { verb } };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // The program looks for a runtime where one is usually installed; ours may lie elsewhere.
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return start;
    }
}
