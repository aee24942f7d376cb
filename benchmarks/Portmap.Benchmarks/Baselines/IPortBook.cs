using System.Diagnostics.CodeAnalysis;

namespace Portmap.Benchmarks.Baselines;

/// <summary>A port table a reader might write himself. All keep the book that ours keeps: whether a
/// port is free, who has it, who has what, an epoch, the time, and a queue of ports that cool. None
/// tells of changes, watches processes or explains a refusal.</summary>
internal interface IPortBook
{
    bool TryAcquire(string owner, [NotNullWhen(true)] out BookClaim? claim);

    bool TryRelease(BookClaim claim);

    /// <summary>The port of an owner, or 0.</summary>
    int PortOf(string owner);
}

/// <summary>What an owner has.</summary>
internal sealed record BookClaim(string Owner, int Port, long Epoch, long Since)
{
    /// <summary>Its state, where a book keeps one.</summary>
    public bool IsOpen { get; set; }
}
