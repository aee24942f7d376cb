namespace Portmap;

/// <summary>
/// What an acquisition asks for. A string converts to one, so the plain case stays
/// <c>AcquireAsync("vol0:/bricks/b1")</c>.
/// </summary>
/// <remarks>
/// Immutable. <c>default</c> has no owner and is refused as
/// <see cref="PortRefusalReason.InvalidOwner"/>.
/// </remarks>
/// <param name="Owner">
/// The name the port is held under: 1 to 4,096 bytes of well-formed UTF-8 without U+0000, compared
/// byte by byte.
/// </param>
public readonly record struct PortRequest(string Owner)
{
    private const long NoTime = long.MinValue;

    // Kept small: 48 bytes, which each call copies. Behind the three references the runtime puts what is none, here
    // three words; four or more it would copy by "rep movs", which takes longer than all the rest. So the values of
    // enums are a byte or two, and null is a value of theirs.
    private readonly long _leaseTimeoutTicks;   // 0 is none, and NoTime no time
    private readonly int _previous;
    private readonly uint _userId;
    private readonly short _protocol;
    private readonly bool _hasUserId;
    private readonly sbyte _scope;
    private readonly sbyte _reuse;
    private readonly sbyte _guard;

    /// <summary>The transport.</summary>
    /// <value>
    /// The default is <see cref="PortProtocol.Tcp"/>; <see cref="PortProtocol.TcpAndUdp"/> asks for
    /// one number on both.
    /// </value>
    public PortProtocol Protocol { get => (PortProtocol)_protocol; init => _protocol = (short)Math.Clamp((int)value, short.MinValue, short.MaxValue); }

    /// <summary>What to do about the port this owner had before.</summary>
    /// <value>
    /// null, the default, takes <see cref="PortRegistryOptions.Reuse"/>; so does a lease of an earlier
    /// run whose port cannot be bound, as this is not stored.
    /// </value>
    public PortReuse? Reuse { get => (PortReuse?)Unpack(_reuse); init => _reuse = Pack((int?)value); }

    /// <summary>
    /// The port this owner had before, where the host knows better than the registry.
    /// </summary>
    /// <value>
    /// null, the default, takes the one the registry remembers: the owner's last port, until it is
    /// given to another owner, over restarts with a store; one that is not handed out any more (outside
    /// the ranges, excluded, kept for another) counts as none. Otherwise 1 to 65535. One that is named
    /// here and not handed out is refused as InvalidPort where <see cref="PortReuse.Require"/> applies,
    /// and else passed over.
    /// </value>
    public int? Previous { get => _previous == 0 ? null : _previous; init => _previous = value ?? 0; }

    /// <summary><see cref="Previous"/>, with 0 for none.</summary>
    internal int PreviousPort => _previous;

    /// <summary>The ranges that the port is to lie in.</summary>
    /// <value>
    /// As <see cref="PortRegistryOptions.Ports"/>, of which they must be a part: <c>7000-7099</c>.
    /// null, the default, takes all of it. Ranges that cannot be read, hold a port outside, or hold
    /// none that is handed out are refused as <see cref="PortRefusalReason.InvalidPort"/>.
    /// </value>
    /// <remarks>
    /// The owner's earlier port is given again only if it lies in them. A process that picks its
    /// own is told them (PORTMAP_RANGE) and binds there; what it registers outside is taken, as a
    /// listening process is never refused because of a range, and logged.
    /// </remarks>
    public string? Ports { get; init; }

    /// <summary>How long the lease waits for its process to register.</summary>
    /// <value>
    /// 100 ms to 24 h; anything else is refused as <see cref="PortRefusalReason.InvalidTime"/>.
    /// null, the default, takes <see cref="PortRegistryOptions.LeaseTimeout"/>. It ends at the
    /// first pass after that, which is <see cref="PortRegistryOptions.LivenessInterval"/> later at
    /// most. <see cref="PortLease.ExtendAsync"/> gives it more.
    /// </value>
    public TimeSpan? LeaseTimeout
    {
        get => !HasLeaseTimeout ? null : _leaseTimeoutTicks == NoTime ? TimeSpan.Zero : new TimeSpan(_leaseTimeoutTicks);
        init => _leaseTimeoutTicks = value == TimeSpan.Zero ? NoTime : value?.Ticks ?? 0;
    }

    /// <summary>Whether <see cref="LeaseTimeout"/> is not null.</summary>
    internal bool HasLeaseTimeout => _leaseTimeoutTicks != 0;

    /// <summary>
    /// Whether an owner that is served already keeps what it has: for a host that starts what does
    /// not run, and must start nothing twice.
    /// </summary>
    /// <value>
    /// false, the default: the owner gets a lease, and lookups keep its old claim until that
    /// registers. true: while a living process serves the owner, or one of the run before has yet
    /// to sign in again (<see cref="PortState.Recovered"/>), the acquisition is refused as
    /// <see cref="PortRefusalReason.AlreadyServed"/>, and <see cref="PortRefusal.Entry"/> is what
    /// stands, with its process. For both protocols one that is served is enough.
    /// </value>
    public bool UnlessServed { get; init; }

    /// <summary>Among whom the owner is to have at most one holder.</summary>
    /// <value>
    /// The default is <see cref="PortScope.Host"/>. With <see cref="PortScope.Fleet"/> the owner is
    /// claimed in the fleet first (<see cref="PortLease.FleetEpoch"/>), which takes a request over
    /// the network: <see cref="PortRegistry.AcquireAsync"/> only. It is refused as
    /// <see cref="PortRefusalReason.Conflict"/>, with the host, where another one has it; and as
    /// <see cref="UnlessServed"/> says, where a process of this host serves it.
    /// </value>
    /// <remarks>
    /// When the claim is lost, the lease and its registration end at once:
    /// <see cref="PortLease.Ended"/> is cancelled and lookups find the owner no more, also as the
    /// first thing of a process that was suspended for too long. When the registration ends, the
    /// claim is given back. A process that registers without the lease, or that is healed after the
    /// lease was over, is served as one of this host only.
    /// </remarks>
    public PortScope Scope { get => (PortScope)_scope; init => _scope = Narrow((int)value); }

    /// <summary>How the port is kept from others until the process listens.</summary>
    /// <value>
    /// null, the default, takes <see cref="PortRegistryOptions.Guard"/>; so does a lease of an earlier
    /// run that gets another port, as this is not stored.
    /// <see cref="PortGuardMode.StepAside"/> is for programs that bind without SO_REUSEADDR.
    /// </value>
    public PortGuardMode? Guard { get => (PortGuardMode?)Unpack(_guard); init => _guard = Pack((int?)value); }

    /// <summary>The name of the strategy for this one acquisition.</summary>
    /// <value>null, the default, takes <see cref="PortRegistryOptions.Strategy"/>.</value>
    public string? Strategy { get; init; }

    /// <summary>
    /// The user whose processes are to use the lease, where that is another than the daemon's.
    /// </summary>
    /// <value>
    /// A user id of the operating system. null, the default: the daemon's own. Root, the daemon's
    /// user and a session that acquires may use their leases in any case. While a process serves
    /// the owner, whoever may release that registration may also use a lease that the host
    /// acquired. All others are refused as <see cref="PortRefusalReason.NotOwner"/>: an epoch says
    /// which claim is meant and gives no right to it.
    /// </value>
    public uint? UserId
    {
        get => _hasUserId ? _userId : null;
        init => (_userId, _hasUserId) = (value.GetValueOrDefault(), value is not null);
    }

    /// <summary>Asks for a port for an owner, everything else as the options say.</summary>
    /// <param name="owner">The owner.</param>
    public static implicit operator PortRequest(string owner) => new(owner);

    /// <summary>A number that may be of no enum, in one byte; one that is too large for that is of
    /// none either way.</summary>
    private static sbyte Narrow(int value) => (sbyte)Math.Clamp(value, sbyte.MinValue, sbyte.MaxValue);

    /// <summary>As <see cref="Narrow"/>, with 0 for null: what is not negative counts from 1.</summary>
    private static sbyte Pack(int? value) => value is { } number ? Narrow(number is >= 0 and < sbyte.MaxValue ? number + 1 : number) : (sbyte)0;

    private static int? Unpack(sbyte packed) => packed == 0 ? null : packed > 0 ? packed - 1 : packed;
}
