using System.Diagnostics.CodeAnalysis;

namespace Portmap.Table;

/// <summary>What a claim is to be, before it is one.</summary>
internal readonly struct NewClaim
{
    /// <summary>A lease of a port, of which nothing else is to be said. Made where it lies, which an
    /// initializer of properties is not: that makes it beside, and copies it.</summary>
    [SetsRequiredMembers]
    public NewClaim(PortProtocol protocol, int port, long epoch, byte strategy, object lease)
    {
        Protocol = protocol;
        Port = port;
        Epoch = epoch;
        Strategy = strategy;
        Lease = lease;
    }

    /// <summary>A registration, likewise.</summary>
    [SetsRequiredMembers]
    public NewClaim(PortProtocol protocol, int port, long epoch, ClaimHolder holder)
    {
        Protocol = protocol;
        Port = port;
        Epoch = epoch;
        Holder = holder;
    }

    public required PortProtocol Protocol { get; init; }

    /// <summary>0 for a lease whose process picks the port.</summary>
    public int Port { get; init; }

    public required long Epoch { get; init; }

    /// <summary>See <see cref="PortClaim.Origin"/>; 0 when it goes back to itself.</summary>
    public long Origin { get; init; }

    /// <summary>Index of the strategy in the registry's list.</summary>
    public byte Strategy { get; init; }

    /// <summary>Who holds the registration; null for a lease.</summary>
    public ClaimHolder? Holder { get; init; }

    /// <summary>What the lease is to its users: only handed back. Null for a
    /// registration.</summary>
    public object? Lease { get; init; }

    /// <summary>The claim it uses up when it takes effect: see
    /// <see cref="PortClaim.UsesUp"/>.</summary>
    public PortClaim? UsesUp { get; init; }
}
