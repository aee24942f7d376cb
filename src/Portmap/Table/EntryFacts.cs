namespace Portmap.Table;

/// <summary>What an entry says of a claim: the claim itself, and what of it may be otherwise
/// later, as it was at one moment.</summary>
internal readonly struct EntryFacts
{
    private readonly byte _state;
    private readonly byte _guarantee;

    public required ClaimView Claim { get; init; }

    public required PortState State { get => (PortState)_state; init => _state = (byte)value; }

    /// <summary>0 when there is none, or it is not known.</summary>
    public int ProcessId { get; init; }

    /// <summary>How many owners share the port.</summary>
    public int OwnerCount { get; init; }

    public PortGuarantee Guarantee { get => (PortGuarantee)_guarantee; init => _guarantee = (byte)value; }

    /// <summary>The number of the addresses that the process listens on.</summary>
    public byte Addresses { get; init; }
}
