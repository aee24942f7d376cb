using Xunit;

namespace Portmap.TestKit;

/// <summary>As <see cref="NeedsFactAttribute"/>, for a theory.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsTheoryAttribute : TheoryAttribute
{
    private readonly string[] _also = [];

    /// <summary>Needs one of some programs, found on PATH.</summary>
    /// <param name="programs">Any one of these is enough.</param>
    public NeedsTheoryAttribute(params string[] programs)
    {
        Programs = programs;
        Skip = new NeedsFactAttribute(programs).Skip;
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
            Skip ??= new NeedsFactAttribute([.. Programs]) { Also = value }.Skip;
        }
    }
}
