namespace Portmap;

/// <summary>An operation was refused; <see cref="Refusal"/> says why and what to do.</summary>
#pragma warning disable CA1032 // the standard constructors would make an exception without a refusal
public sealed class PortRefusedException : Exception
{
    /// <summary>Makes one from a refusal.</summary>
    /// <param name="refusal">The typed answer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="refusal"/> is null.</exception>
    public PortRefusedException(PortRefusal refusal)
        : base((refusal ?? throw new ArgumentNullException(nameof(refusal))).Message) => Refusal = refusal;

    /// <summary>The typed answer.</summary>
    public PortRefusal Refusal { get; }
}
