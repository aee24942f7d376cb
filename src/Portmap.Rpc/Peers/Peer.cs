using System.Globalization;
using Portmap.Processes;

namespace Portmap.Rpc.Peers;

/// <summary>
/// Who is at the other end of a connection, as far as the kernel knows, and what it may do.
/// </summary>
/// <remarks>
/// Over a Unix socket the kernel names process and user when the connection is made. Over TCP, and
/// for a process that is claimed and is not the one that connected, the kernel is asked once: when
/// the first call wants to change something. Used by one call at a time.
/// </remarks>
/// <param name="Address">For logs: the address, or the process.</param>
/// <param name="ProcessId">The process as the kernel names it; 0 when it does not know.</param>
/// <param name="Sight">What the kernel can be asked.</param>
internal sealed record Peer(string Address, int ProcessId, PeerSight? Sight)
{
    /// <summary>
    /// How many claims of a process that proved wrong are looked at; each look reads the
    /// descriptors of a process.
    /// </summary>
    private const int MaxWrongClaims = 16;

    private readonly uint? _userId;
    private HashSet<int>? _wrongClaims;
    private PeerSocket? _socket;
    private bool _isLookedAt;
    private bool? _isOfThisHost;

    /// <summary>When the process began that connected, as <see cref="ProcessStat.StartOf"/> said
    /// then; null where nobody asked, or could look: it is believed then.</summary>
    public long? ProcessStart { get; init; }

    /// <summary>
    /// Whether its number is not another process' by now: the one that connected may have died, and
    /// left the connection to a child. Null when nobody could look.
    /// </summary>
    public bool? HasItsNumber => ProcessStart is not { } start ? true
        : ProcessStat.StartOf(ProcessId) is { } now ? now == start
        : null;

    /// <summary>What connections are counted by: the process, or the address.</summary>
    public string Origin { get; init; } = Address;

    /// <summary>For logs, with the user once it is known.</summary>
    public string Name => (_userId ?? _socket?.UserId) is { } user ? string.Create(CultureInfo.InvariantCulture, $"{Address} (uid {user})") : Address;

    /// <summary>
    /// The user, or null when it is not known. Over TCP the first read asks the kernel.
    /// </summary>
    public uint? UserId
    {
        get => _userId ?? Look()?.UserId;
        init => _userId = value;
    }

    /// <summary>What the options say of users.</summary>
    public required Trust Trust { get; init; }

    /// <summary>Whether the options let peers that come this way change anything.</summary>
    public bool AllowChange { get; init; } = true;

    /// <summary>Whether it may change something though the kernel does not know its user, unless it
    /// is of this host.</summary>
    public bool AllowUnknownUser { get; init; }

    /// <summary>Whether it may acquire, if it may change anything.</summary>
    public bool AllowAcquire { get; init; } = true;

    /// <summary>Whether it came over a Unix socket.</summary>
    public bool IsUnix { get; init; }

    /// <summary>
    /// Whether it is root's or the daemon's user's, whose shares are not counted. Where users are
    /// not known (not Linux), whoever got in by the file.
    /// </summary>
    public bool IsTrusted => UserId is { } user ? Trust.IsOwn(user) : IsUnix;

    /// <summary>Whether it may register and release.</summary>
    public bool MayChange => AllowChange && (UserId is { } user ? Trust.MayChange(user) : AllowUnknownUser && IsElsewhere());

    /// <summary>Whether it may acquire for others.</summary>
    public bool MayAcquire => AllowAcquire && MayChange;

    /// <exception cref="PortRefusedException">The peer may look up and watch only.</exception>
    public void DemandChange(string owner)
    {
        if (!MayChange)
        {
            throw NotPermitted(owner, AllowChange && UserId is null
                ? "may look up and watch only: the kernel does not say whose connection it is. Keep the connection open until it is answered, let the daemon open netlink sockets or read /proc/net, or use a Unix socket."
                : "may look up and watch only (AllowedUserIds, AllowTcpChanges); ask as the daemon's user, or have the daemon allow it.");
        }
    }

    /// <exception cref="PortRefusedException">The peer may not acquire for others.</exception>
    public void DemandAcquire(string owner)
    {
        DemandChange(owner);
        if (!MayAcquire)
        {
            throw NotPermitted(owner, "may not acquire: only the daemon itself does (AllowAcquire); have it acquire for this owner.");
        }
    }

    /// <summary>
    /// The process a call is made for: one that is claimed, if it has the peer's socket; else what
    /// the kernel says; else unknown.
    /// </summary>
    /// <remarks>
    /// Over a Unix socket the kernel names who connected, which after a fork is not who speaks.
    /// </remarks>
    public int Resolve(int claimedProcessId)
    {
        if (claimedProcessId <= 0 || claimedProcessId == ProcessId || _wrongClaims?.Contains(claimedProcessId) == true || _wrongClaims?.Count >= MaxWrongClaims)
        {
            return ProcessId;
        }

        bool? holds = Look() is { } socket ? Sight!.Holds(claimedProcessId, socket) : _isLookedAt ? false : null;
        if (holds == true)
        {
            return claimedProcessId;
        }

        if (holds is not null)   // what could not be looked at now is looked at again
        {
            (_wrongClaims ??= []).Add(claimedProcessId);
        }

        return ProcessId;
    }

    private PeerSocket? Look()
    {
        if (!_isLookedAt && Sight is not null)
        {
            // When it could not be looked at, the next call tries again; what was found, or was
            // closed, stays so.
            _isLookedAt = Sight.TryLook(out _socket);
        }

        return _socket;
    }

    // What could not be told now is asked again.
    private bool IsElsewhere() => Sight is null || (_isOfThisHost ??= Sight.IsOfThisHost()) == false;

    private PortRefusedException NotPermitted(string owner, string what) =>
        new(new PortRefusal(PortRefusalReason.NotPermitted, $"Nothing was changed for '{owner}': {Name} {what}") { Owner = owner });
}
