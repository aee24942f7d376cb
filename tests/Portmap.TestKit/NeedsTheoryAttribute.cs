using Xunit;

namespace Portmap.TestKit;

/// <summary>A theory that needs a program of the machine; without it the test is skipped by name, and the reason says what to install.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsTheoryAttribute : TheoryAttribute
{
    /// <summary>Needs one of some programs, found on PATH.</summary>
    /// <param name="programs">Any one of these is enough.</param>
    public NeedsTheoryAttribute(params string[] programs)
    {
        Programs = programs;
        Skip = new NeedsFactAttribute(programs).Skip;
    }

    /// <summary>The programs of which one is needed.</summary>
    public IReadOnlyList<string> Programs { get; }
}
