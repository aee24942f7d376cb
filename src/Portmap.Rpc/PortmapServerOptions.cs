using System.Diagnostics.Metrics;

namespace Portmap.Rpc;

/// <summary>
/// How a <see cref="PortmapServer"/> behaves. Read when the server is made; later changes have no
/// effect.
/// </summary>
/// <remarks>
/// Not safe for concurrent writes. Whoever passes a limit is refused by type or loses its
/// connection, with one line in the log (at most one of a kind in ten seconds); the others are
/// served on.
/// </remarks>
public sealed class PortmapServerOptions
{
    /// <summary>Where to listen.</summary>
    /// <value><c>unix:PATH</c> with an absolute path, and <c>tcp:ADDRESS:PORT</c>, any number; TCP
    /// port 0 lets the kernel choose. Left empty, the default, it means
    /// <see cref="PortmapEndpoint.Default"/>: TCP is off unless it is asked for.</value>
    /// <remarks>
    /// A listening socket that the starter passed on (LISTEN_FDS, as systemd does) and that lies at
    /// one of them is taken instead of making one: connects wait in it while the daemon restarts.
    /// Endpoints are where a daemon listens. An Endpoint, in the other options, is the one of them
    /// that a process speaks to; both are texts in options, and <see cref="PortmapEndpoint"/>
    /// elsewhere.
    /// </remarks>
    public IList<string> Endpoints { get; } = [];

    /// <summary>The mode of a socket file, in octal as chmod takes it.</summary>
    /// <value>
    /// 000 to 0777. The default is <c>0600</c>: this user, and root. Give others write permission
    /// (<c>0660</c>, <c>0666</c>) to let them look up and watch; what they may change is for
    /// <see cref="AllowedUserIds"/> to say.
    /// </value>
    /// <remarks>
    /// A text, because a number in a configuration file would be read as decimal.
    /// </remarks>
    public string SocketMode { get; set; } = "0600";

    /// <summary>
    /// Whether the folder of a Unix socket may be writable by its group, as a volume with an
    /// fsGroup is (mode 2770).
    /// </summary>
    /// <value>
    /// The default is false: the folder must be this user's or root's, and closed to others or
    /// sticky.
    /// </value>
    /// <remarks>
    /// <b>Whoever is in that group can then put a socket in place of the daemon's</b>, and workers
    /// believe it.
    /// </remarks>
    public bool AllowGroupWritableFolder { get; set; }

    /// <summary>
    /// The users that may change something beside the daemon's own and root; over a Unix socket and
    /// over TCP on loopback the kernel says who calls.
    /// </summary>
    /// <value>
    /// User ids. None by default. All others are refused as
    /// <see cref="PortRefusalReason.NotPermitted"/>; lookups, lists and watching are for everybody
    /// who can connect.
    /// </value>
    /// <remarks>
    /// They change what is theirs, not each other's. A lease that the host acquires for a worker of
    /// such a user says so (<see cref="PortRequest.UserId"/>); else only root and the daemon's user
    /// may use it.
    /// </remarks>
    public IList<uint> AllowedUserIds { get; } = [];

    /// <summary>Whether processes may acquire: ask for a port on behalf of any owner.</summary>
    /// <value>
    /// The default is true. False leaves that to the daemon: its own code, and its own process over
    /// a Unix socket; others register what they listen on, and a bind failure is healed only while
    /// the daemon's lease for that owner is open.
    /// </value>
    public bool AllowAcquire { get; set; } = true;

    /// <summary>Whether anything may be changed over TCP.</summary>
    /// <value>
    /// The default is true, because GlusterFS' programs sign in that way. False leaves lookups,
    /// lists and watching.
    /// </value>
    /// <remarks>
    /// Callers of this host are trusted as over a Unix socket: the kernel names the user of the
    /// connection (sock_diag, else /proc/net), and a process that is claimed is believed when that
    /// connection is among its descriptors, else it is unknown. That needs the right to look at
    /// /proc/pid/fd: root's daemon has it for all, any other for its own user's processes.
    /// </remarks>
    public bool AllowTcpChanges { get; set; } = true;

    /// <summary>
    /// Whether TCP endpoints may have an address other than loopback; such an endpoint is a warning
    /// in the log.
    /// </summary>
    /// <value>The default is false.</value>
    /// <remarks>
    /// <b>There is no authentication of other hosts:</b> whoever reaches the port from there can
    /// look up, and unless <see cref="AllowTcpChanges"/> is off also register and acquire, though
    /// nothing that is another's. Process ids of other hosts are not believed.
    /// </remarks>
    public bool AllowRemote { get; set; }

    /// <summary>The longest record that is read; a longer one closes the connection.</summary>
    /// <value>
    /// Bytes, 16,384 to 16,777,216. The default is 65,536. Replies of the server's own programs
    /// keep to it as well.
    /// </value>
    public int MaxRecordBytes { get; set; } = 65_536;

    /// <summary>
    /// How long a record may take from its first byte to its last, and an answer until the peer has
    /// taken it; then the connection is closed.
    /// </summary>
    /// <value>
    /// 100 ms to 1 h. The default is 30 s. It is looked at four times in that time, at most every
    /// second.
    /// </value>
    public TimeSpan RecordTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a connection may say nothing; then it is closed. One over which something was
    /// registered, or a request waits for a change, may be silent for ever.
    /// </summary>
    /// <value>
    /// 100 ms to 24 h, or <see cref="Timeout.InfiniteTimeSpan"/>. The default is 1 h.
    /// </value>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromHours(1);

    /// <summary>
    /// How many connections are open at once; one more is closed as soon as it is accepted.
    /// </summary>
    /// <value>
    /// 1 to 1,048,576. The default is 8,192. Never more than the descriptors of the daemon leave
    /// room for.
    /// </value>
    /// <remarks>
    /// Each connection takes a file descriptor of the daemon. Of those the process may have, half
    /// are for the placeholders of guarded ports, and an eighth for the processes that sessions
    /// watch (a fifth where there are 16,384 and more). What is left, less what is open at the
    /// start and 32 for the host, is for connections; it is never less than an eighth of all. A
    /// warning says when that is less than this option: at the start where the option is not its
    /// default, else when nine tenths of what there is are connected.
    /// When there is no descriptor left all the same, accepting pauses until there is.
    /// </remarks>
    public int MaxConnections { get; set; } = 8_192;

    /// <summary>
    /// How many connections one peer has at once; one more is closed as soon as it is accepted.
    /// </summary>
    /// <value>
    /// 1 to 1,048,576. The default is 1,024. A peer is a user. Of root and the daemon's user it is
    /// a process on a Unix socket, and those that come over TCP have no limit of their own. Where
    /// no user is known (another host) it is an address. Over TCP as many are let in of an address
    /// before the kernel is asked whose they are, so another user may have as many again.
    /// </value>
    public int MaxConnectionsPerPeer { get; set; } = 1_024;

    /// <summary>
    /// How many of <see cref="MaxConnections"/> are kept for root and the daemon's user, and as
    /// many again are kept from TCP for Unix sockets.
    /// </summary>
    /// <value>
    /// 0 to 1,048,576. The default is 256, and it is never more than a quarter of all. What is
    /// kept, nobody else can use up.
    /// </value>
    public int KeptConnections { get; set; } = 256;

    /// <summary>
    /// How many requests of one connection may wait for a change at once; one more is refused as
    /// <see cref="PortRefusalReason.LimitReached"/>. All other requests of a connection are
    /// answered one after the other.
    /// </summary>
    /// <value>1 to 65,536. The default is 64.</value>
    public int MaxPendingRequests { get; set; } = 64;

    /// <summary>How many owners may be registered or acquired over one connection at once, by all
    /// processes it speaks for; one more is refused as
    /// <see cref="PortRefusalReason.TooManyOwners"/>.</summary>
    /// <value>
    /// 1 to 1,048,576. The default is 16,384: a multiplexed process serves thousands of bricks.
    /// Over TCP a connection may speak for as many processes.
    /// </value>
    public int MaxOwnersPerSession { get; set; } = 16_384;

    /// <summary>How many owners one user may have registered or acquired at once, over all its
    /// connections, both protocols counted; one more is refused as
    /// <see cref="PortRefusalReason.TooManyOwners"/>. Root and the daemon's user are not
    /// counted.</summary>
    /// <value>
    /// 1 to 1,048,576. The default is 4,096, and it is never more than half of
    /// <see cref="PortRegistryOptions.MaxOwners"/>. Where no user is known (another host), an
    /// address is one.
    /// </value>
    public int MaxOwnersPerUser { get; set; } = 4_096;

    /// <summary>How many ports of <see cref="PortRegistryOptions.Ports"/> the owners of one user
    /// may have at once; one more is refused as
    /// <see cref="PortRefusalReason.TooManyOwners"/>. Root and the daemon's user are not
    /// counted.</summary>
    /// <value>
    /// 1 to 131,072. The default is 4,096, and it is never more than half of the range.
    /// </value>
    public int MaxPortsPerUser { get; set; } = 4_096;

    /// <summary>How long a request waits for a change at most, whatever it asks for.</summary>
    /// <value>0 to 1 h. The default is 60 s. Below a second the client rests between its requests,
    /// and sees a change up to a second late.</value>
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Makes the meter <c>Portmap.Rpc</c> of this server.</summary>
    /// <value>null, the default, makes one for this server. <c>AddPortmapServer</c> takes the
    /// host's factory where this is null.</value>
    public IMeterFactory? MeterFactory { get; set; }

    /// <summary>The host's own programs, served beside the built-in ones.</summary>
    /// <value>
    /// None by default. Two programs of one number must differ in their version, and none may be a
    /// built-in one.
    /// </value>
    public IList<IRpcProgram> Programs { get; } = [];
}
