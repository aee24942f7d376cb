using Portmap.Tool.Output;

namespace Portmap.Tool.Examining;

/// <summary>One thing that was looked at.</summary>
/// <param name="Name">A finding of the library, or one of our own.</param>
/// <param name="Result">What came of it.</param>
/// <param name="Value">What was found, or why nothing can be told.</param>
/// <param name="Expected">What it should be, or what it collides with.</param>
/// <param name="Remedy">What to do.</param>
internal sealed record Check(string Name, CheckResult Result, string Value = "", string Expected = "", string Remedy = "")
{
    /// <summary>Whether <see cref="Expected"/> says what is so now.</summary>
    public bool IsCollision { get; private init; }

    public static Check Of(PortFinding finding) =>
        new(Words.Of(finding.Kind), finding.IsNote ? CheckResult.Note : CheckResult.Found, finding.Value, finding.Expected, finding.Remedy)
        {
            IsCollision = finding.Kind is PortFindingKind.EphemeralOverlap or PortFindingKind.RangeTooSmall or PortFindingKind.TooFewDescriptors or PortFindingKind.RangeNotBindable,
        };

    public static Check Unknown(string name, string why) => new(name, CheckResult.Unknown, why);
}
