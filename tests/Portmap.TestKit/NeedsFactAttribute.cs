using Xunit;

namespace Portmap.TestKit;

/// <summary>A fact that needs a program of the machine; without it the test is skipped by name, and the reason says what to install.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsFactAttribute : FactAttribute
{
    /// <summary>Needs one of some programs, found on PATH.</summary>
    /// <param name="programs">Any one of these is enough.</param>
    public NeedsFactAttribute(params string[] programs)
    {
        ArgumentNullException.ThrowIfNull(programs);
        Programs = programs;
        if (!programs.Any(IsOnPath))
        {
            Skip = $"needs {string.Join(" or ", programs)} on PATH";
        }
    }

    /// <summary>The programs of which one is needed.</summary>
    public IReadOnlyList<string> Programs { get; }

    private static bool IsOnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty)
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Any(folder => File.Exists(Path.Combine(folder, program)));
}
