using Xunit;

namespace Portmap.TestKit;

/// <summary>A theory about other users of the machine, as <see cref="NeedsRootFactAttribute"/> is a
/// fact about them.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsRootTheoryAttribute : TheoryAttribute
{
    /// <summary>Needs root and one of some programs.</summary>
    /// <param name="programs">Any one of these is enough.</param>
    public NeedsRootTheoryAttribute(params string[] programs)
    {
        ArgumentNullException.ThrowIfNull(programs);
        Programs = programs;
        Skip = new NeedsRootFactAttribute(programs).Skip;
    }

    /// <summary>The programs of which one is needed.</summary>
    public IReadOnlyList<string> Programs { get; }

    /// <summary>More programs, of which each is needed.</summary>
    public string[] Also
    {
        get => [];
        init => Skip ??= new NeedsRootFactAttribute([.. Programs]) { Also = value }.Skip;
    }
}
