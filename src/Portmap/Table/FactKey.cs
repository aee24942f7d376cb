namespace Portmap.Table;

/// <summary>Which claim, and which step of it, a fact that was written tells of.</summary>
internal readonly struct FactKey
{
    public required PortProtocol Protocol { get; init; }

    public required string Owner { get; init; }

    public required int Port { get; init; }

    public required long Epoch { get; init; }

    /// <summary>It tells that the claim is over.</summary>
    public required bool IsEnd { get; init; }

    /// <summary>It tells of a lease, and not of the registration that uses it up, which may have the
    /// same epoch.</summary>
    public required bool IsLease { get; init; }

    /// <summary>It tells once more of a claim in force (<see cref="ClaimFacts.Told"/>, more time for a
    /// lease, another process of a program): no pending claim is written or fails with it.</summary>
    public required bool IsAgain { get; init; }
}
