using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Portmap.Table;

/// <summary>A claim as it was at one moment. <c>default</c> is none.</summary>
/// <remarks>A value of 16 bytes: what never changes of a claim, and the word it had. Only the table
/// looks behind it.</remarks>
[DebuggerDisplay("{Claim?.Display,nq}")]
internal readonly struct ClaimView(PortClaim? claim, ClaimWord word)
{
    /// <summary>The claim as it is now.</summary>
    public ClaimView(PortClaim? claim)
        : this(claim, claim is null ? default : claim.Word)
    {
    }

    public bool IsNone => Claim is null;

    /// <summary>What tells claims apart, and may be kept to ask for its view again.</summary>
    public PortClaim? Claim { get; } = claim;

    /// <summary>The word it had; for the table.</summary>
    internal ClaimWord Word { get; } = word;

    public string Owner => Claim?.Cell?.Owner ?? string.Empty;

    public PortProtocol Protocol => Claim!.Protocol;

    /// <summary>0 for a lease whose process picks the port.</summary>
    public int Port => Claim!.Port;

    /// <summary>0 of none.</summary>
    public long Epoch => Claim?.Epoch ?? 0;

    /// <inheritdoc cref="PortClaim.Origin"/>
    public long Origin => Claim!.Origin;

    public byte Strategy => Claim!.Strategy;

    public bool IsLease => Claim is { IsLease: true };

    /// <summary>The process and connection of a registration; null for a lease.</summary>
    public ClaimHolder? Holder => Claim?.Holder;

    /// <summary>What the lease is to its users; null for a registration.</summary>
    public object? Lease => Claim?.Lease;

    public ClaimStage Stage => Word.Stage;

    /// <summary>Why it ended.</summary>
    public ClaimEnd Cause => Word.Cause;

    /// <summary>The claim as it was while it was pending.</summary>
    public ClaimView WhenPending() => new(Claim, ClaimWord.Pending(confirmed: false));

    /// <inheritdoc cref="PortClaim.Cools"/>
    public bool Cools => Claim!.Cools(Cause);

    /// <summary>When it came to its stage, in milliseconds of the registry's clock.</summary>
    public long AtMs => Word.At;

    public bool IsPending => Claim is not null && Word.Stage == ClaimStage.Pending;

    /// <summary>Pending or in force.</summary>
    public bool IsLive => Claim is not null && Word.IsLive;

    /// <summary>It was registered, though it may be over.</summary>
    public bool WasBound => Word.WasBound;

    /// <summary>Its fact will never be on disk: the registry was being disposed.</summary>
    public bool IsLate => Claim is not null && Word.IsLate;

    /// <summary>How strongly the port is held now.</summary>
    public PortGuarantee Guarantee => Claim!.Guarantee;

    /// <summary>What its guard is told of it.</summary>
    public GuardedPort Guarded => Claim!.Guarded;

    /// <summary>Whether it may have its port together with others.</summary>
    public bool IsShared => Claim!.IsShared;

    /// <summary>The number of the addresses its process listens on, as the passes noted
    /// it.</summary>
    public byte Addresses => Claim!.Served;

    /// <summary>Whether a worker that carries an epoch means this claim; none is meant by
    /// nobody.</summary>
    public bool IsOf(long epoch) => Claim is not null && Claim.IsOf(epoch);

    /// <summary>Whether both are of one claim.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsSame(ClaimView other) => ReferenceEquals(Claim, other.Claim);

    /// <summary>The same claim as it is now.</summary>
    public ClaimView Now() => new(Claim);
}
