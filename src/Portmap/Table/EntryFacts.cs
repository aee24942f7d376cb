namespace Portmap.Table;

/// <summary>What an entry says of a claim, as it was at one moment.</summary>
/// <remarks>It holds on to the name of the owner and to nothing else: what is kept of a change
/// must not keep the claim, its session and its connection.
/// <para>It is the change itself, 64 bytes, once <see cref="ChangeLog"/> has it: made where it lies
/// then, and not copied there. Who appends it does not touch it any more.</para></remarks>
/// <param name="claim">The claim, or the marker of a port that is somebody else's.</param>
internal sealed class EntryFacts(ClaimView claim)
{
    private readonly ushort _port = (ushort)claim.Port;
    private readonly byte _protocol = (byte)claim.Protocol;
    private readonly byte _state;
    private readonly byte _guarantee;
    private byte _kind;

    public string Owner { get; } = claim.Owner;

    public int Port => _port;

    public PortProtocol Protocol => (PortProtocol)_protocol;

    /// <summary>0 for a marker: nobody of ours has the port.</summary>
    public long Epoch { get; } = claim.Stage == ClaimStage.Foreign ? 0 : claim.Epoch;

    /// <inheritdoc cref="ClaimView.AtMs"/>
    public long AtMs { get; } = claim.AtMs;

    public byte Strategy { get; } = claim.Strategy;

    public required PortState State { get => (PortState)_state; init => _state = (byte)value; }

    /// <summary>0 when there is none, or it is not known.</summary>
    public int ProcessId { get; init; }

    /// <summary>How many owners share the port.</summary>
    public int OwnerCount { get; init; }

    public PortGuarantee Guarantee { get => (PortGuarantee)_guarantee; init => _guarantee = (byte)value; }

    /// <summary>The number of the addresses that the process listens on.</summary>
    public byte Addresses { get; init; }

    /// <summary>What happened; for the log of changes, as its number is.</summary>
    public PortChangeKind Kind { get => (PortChangeKind)_kind; set => _kind = (byte)value; }

    /// <summary>Written before it is in its place.</summary>
    public long Revision { get; set; }
}
