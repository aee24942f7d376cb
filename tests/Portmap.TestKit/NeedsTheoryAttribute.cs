using Xunit;

namespace Portmap.TestKit;

/// <summary>As <see cref="NeedsFactAttribute"/>, for a theory.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsTheoryAttribute : TheoryAttribute
{
    private readonly string[] _also = [];

    /// <summary>Needs a program, found on PATH.</summary>
    /// <param name="program">The program.</param>
    public NeedsTheoryAttribute(string program)
    {
        Program = program;
        if (!NeedsFactAttribute.IsThere(program))
        {
            Skip = $"needs {program} on PATH";
        }
    }

    /// <summary>The program that is needed.</summary>
    public string Program { get; }

    /// <summary>More programs, of which each is needed.</summary>
    public string[] Also
    {
        get => _also;
        init
        {
            _also = value;
            if (value.FirstOrDefault(program => !NeedsFactAttribute.IsThere(program)) is { } missing)
            {
                Skip ??= $"needs {missing} on PATH";
            }
        }
    }
}
