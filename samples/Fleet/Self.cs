using System.Diagnostics;

namespace Fleet;

/// <summary>This program, as a process to start.</summary>
internal static class Self
{
    /// <summary>Under another program, such as unshare.</summary>
    /// <param name="under">That program and its arguments.</param>
    /// <param name="arguments">The arguments of this one.</param>
    public static ProcessStartInfo StartUnder(string[] under, params string[] arguments)
    {
        ProcessStartInfo start = new(under[0]) { RedirectStandardInput = true };
        foreach (string argument in (string[])[.. under[1..], Environment.ProcessPath!, .. IsHosted ? [typeof(Self).Assembly.Location] : Array.Empty<string>(), .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        return start;
    }

    /// <summary>Started as <c>dotnet Fleet.dll</c>.</summary>
    private static bool IsHosted => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet";
}
