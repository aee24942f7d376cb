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
}
