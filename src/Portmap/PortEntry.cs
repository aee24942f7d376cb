using System.Diagnostics;

namespace Portmap;

/// <summary>An immutable view of one claim, as it was at the moment of the call.</summary>
/// <remarks>
/// A value: copying it is safe and it never changes. <c>default</c> is a free port without a
/// number, which claims nothing.
/// </remarks>
[DebuggerDisplay("{Display,nq}")]
public readonly record struct PortEntry
{
    // Kept small: 56 bytes, which are written and copied by each look. The runtime puts the one field
    // that is a struct with a reference behind all others, so no four words without a reference
    // stand in a row: it would copy such a row by "rep movs", which takes longer than the look.
    private readonly Moment _moment;
    private readonly long _epoch;
    private readonly int _processId;
    private readonly byte _protocol;
    private readonly byte _state;
    private readonly byte _guarantee;

    /// <summary>
    /// The owner, of a cooling port the one that had it last; the empty string for a foreign port.
    /// </summary>
    public string Owner { get => field ?? string.Empty; init; }

    /// <summary>
    /// The port, 1 to 65535; 0 for a lease whose process picks the port and has not registered yet.
    /// </summary>
    /// <value>0 is what such a process binds: with it the kernel chooses.</value>
    public int Port { get; init; }

    /// <summary><see cref="PortProtocol.Tcp"/> or <see cref="PortProtocol.Udp"/>.</summary>
    public PortProtocol Protocol { get => (PortProtocol)_protocol; init => _protocol = (byte)value; }

    /// <summary>The state.</summary>
    public PortState State { get => (PortState)_state; init => _state = (byte)value; }

    /// <summary>
    /// The fencing token of the claim, of a cooling port that of the last one; null for a foreign
    /// port.
    /// </summary>
    public long? Epoch { get => _epoch == 0 ? null : _epoch; init => _epoch = value ?? 0; }

    /// <summary>
    /// The process that registered; null while there is none, or when it is not known.
    /// </summary>
    public int? ProcessId { get => _processId == 0 ? null : _processId; init => _processId = value ?? 0; }

    /// <summary>When the claim came into this state, in UTC.</summary>
    public DateTimeOffset Since { get => new(_moment.SinceTicks, TimeSpan.Zero); init => _moment = _moment with { SinceTicks = value.UtcTicks }; }

    /// <summary><see cref="Since"/>, in <see cref="DateTimeOffset.UtcTicks"/>.</summary>
    internal long SinceTicks { init => _moment = _moment with { SinceTicks = value }; }

    /// <summary>How many owners share the port; more than one only within one process.</summary>
    public int OwnerCount { get; init; }

    /// <summary>
    /// The addresses the process listens on, as the kernel lists them: <c>*</c> is every one of
    /// both families (a dual-stack socket), <c>0.0.0.0</c> every one of IPv4, <c>::</c> every one
    /// of IPv6 only; several are separated by a comma and a blank.
    /// </summary>
    /// <value>
    /// Known with the next pass (<see cref="PortRegistryOptions.LivenessInterval"/> at most), and
    /// looked at again with each reconciling pass, on Linux. Empty until then, for an entry that is
    /// not Bound, and for a process in a network of its own. It is not compared: two views of one
    /// claim are equal whether it was known or not. Addresses that are not served are anybody's,
    /// unless the entry is <see cref="PortGuarantee.Exclusive"/>.
    /// </value>
    public string Addresses { get => _moment.Addresses ?? string.Empty; init => _moment = _moment with { Addresses = value }; }

    /// <summary>How strongly the port is held.</summary>
    public PortGuarantee Guarantee { get => (PortGuarantee)_guarantee; init => _guarantee = (byte)value; }

    /// <summary>The name of the strategy the port came by, or the empty string.</summary>
    public string Strategy { get => field ?? string.Empty; init; }

    /// <summary>What a debugger shows.</summary>
    private string Display => $"{State} {Port}/{Protocol} of {(Owner.Length == 0 ? "nobody" : Owner)}";

    /// <summary>Since when, and at which addresses, which make no difference.</summary>
    private readonly struct Moment : IEquatable<Moment>
    {
        public string? Addresses { get; init; }

        public long SinceTicks { get; init; }

        public bool Equals(Moment other) => SinceTicks == other.SinceTicks;

        public override bool Equals(object? obj) => obj is Moment other && Equals(other);

        public override int GetHashCode() => SinceTicks.GetHashCode();
    }
}
