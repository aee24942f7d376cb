using Xunit;

namespace Portmap.TestKit;

/// <summary>A fact that needs a program of the machine; without it the test is skipped by name, and
/// the reason says what to install.</summary>
[AttributeUsage(AttributeTargets.Method)]
public class NeedsFactAttribute : FactAttribute
{
    private readonly string[] _also = [];

    /// <summary>Needs one of some programs, found on PATH.</summary>
    /// <param name="programs">Any one of these is enough. A library or header is named by its whole
    /// path.</param>
    public NeedsFactAttribute(params string[] programs)
    {
        ArgumentNullException.ThrowIfNull(programs);
        Programs = programs;
        if (!programs.Any(IsThere))
        {
            Skip = $"needs {string.Join(" or ", programs)} on PATH";
        }
    }

    /// <summary>The programs of which one is needed.</summary>
    public IReadOnlyList<string> Programs { get; }

    /// <summary>More programs, of which each is needed.</summary>
    public string[] Also
    {
        get => _also;
        init
        {
            _also = value;
            if (value.FirstOrDefault(program => !IsThere(program)) is { } missing)
            {
                Skip ??= $"needs {missing} on PATH";
            }
        }
    }

    internal static bool IsThere(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty)
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Any(folder => File.Exists(Path.Combine(folder, program)));
}
