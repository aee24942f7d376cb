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

    /// <summary>One that lives long enough for its code to be compiled only once, for good: the second
    /// compilation of twenty processes takes several times what their hand-offs do.</summary>
    public static ProcessStartInfo StartWarm(string verb)
    {
        ProcessStartInfo start = Start(verb);
        start.Environment["DOTNET_TieredCompilation"] = "0";
        return start;
    }
}
