namespace Portmap;

/// <summary>
/// Which claim a process speaks of when it registers, releases, or reports that it could not bind.
/// </summary>
/// <remarks>
/// <para>Immutable. An owner converts to one, so the plain case stays
/// <c>ReleaseAsync("vol0:/bricks/b1")</c>. <c>default</c> has no owner and is refused as
/// <see cref="PortRefusalReason.InvalidOwner"/>.</para>
/// <para>It gives no right to the claim: what the kernel says of the caller does.</para>
/// </remarks>
/// <param name="Owner">The owner, see <see cref="PortRequest"/>.</param>
/// <param name="Port">
/// The port, 1 to 65535. To register: the one the process listens on. To report a failure: the one
/// that could not be bound. To release it may be left out: null, or the 0 of an entry without a
/// number, is whichever port the owner has.
/// </param>
public readonly record struct PortClaimRequest(string Owner, int? Port = null)
{
    // 32 bytes, which each call copies, word by word.
    private readonly long _epoch;
    private readonly int _port = Port ?? 0;
    private readonly short _protocol;
    private readonly bool _hasPort = Port is not null;

    /// <summary>The port, 1 to 65535; null is whichever port the owner has.</summary>
    public int? Port
    {
        get => _hasPort ? _port : null;
        init => (_port, _hasPort) = (value.GetValueOrDefault(), value is not null);
    }

    /// <summary>The epoch of the claim: what is asked for takes effect on that one only.</summary>
    /// <value>
    /// null, the default: the process carries none, because nobody acquired for it. One that this
    /// run cannot have given counts as null, unless a whole, confirmed state knows a later
    /// registration of the owner: then it is stale. 0 is null, and less counts as null.
    /// </value>
    public long? Epoch { get => _epoch == 0 ? null : _epoch; init => _epoch = value ?? 0; }

    /// <summary>The protocol.</summary>
    /// <value>The default is <see cref="PortProtocol.Tcp"/>.</value>
    public PortProtocol Protocol
    {
        get => (PortProtocol)_protocol;
        init => _protocol = (short)Math.Clamp((int)value, short.MinValue, short.MaxValue);   // what does not fit is of no protocol either way
    }

    /// <summary>
    /// In a report that a port could not be bound: the ranges that its lease names, which the
    /// worker was told (PORTMAP_RANGE).
    /// </summary>
    /// <value>
    /// As <see cref="PortRequest.Ports"/>. The other port lies in them also when the registry knows
    /// the lease no more, because it was started again or another owner's process took the port.
    /// null, the default, and what is not handed out here is any port.
    /// </value>
    public string? Ports { get; init; }

    /// <summary>Speaks of whatever an owner has, over TCP.</summary>
    /// <param name="owner">The owner.</param>
    public static implicit operator PortClaimRequest(string owner) => new(owner);
}
