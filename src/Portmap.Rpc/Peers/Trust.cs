using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Portmap.Native;
using Portmap.Processes;

namespace Portmap.Rpc.Peers;

/// <summary>
/// Who a peer is, as far as the kernel says, and what the options let it do: the same for both
/// kinds of endpoint.
/// </summary>
internal sealed class Trust
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const uint Root = 0;

    private readonly HashSet<uint> _users;
    private readonly bool _allowAcquire;
    private readonly bool _allowTcpChanges;

    public Trust(PortmapServerOptions options)
    {
        _users = [Root, .. options.AllowedUserIds];
        if (PosixFile.OwnUserId is { } own)
        {
            _users.Add(own);
        }

        _allowAcquire = options.AllowAcquire;
        _allowTcpChanges = options.AllowTcpChanges;
    }

    /// <summary>
    /// Whether a user may change something: the daemon's, root and those that are allowed.
    /// </summary>
    public bool MayChange(uint userId) => _users.Contains(userId);

    /// <summary>Whether a user is root or the daemon's.</summary>
    public static bool IsOwn(uint userId) => userId == Root || userId == PosixFile.OwnUserId;

    /// <exception cref="SocketException">It is gone already.</exception>
    public Peer Identify(Socket socket) => socket.AddressFamily == AddressFamily.Unix
        ? IdentifyUnix(socket)
        : OfTcp((IPEndPoint)socket.RemoteEndPoint!, (IPEndPoint)socket.LocalEndPoint!);

    /// <summary>Decides over a peer of a Unix socket.</summary>
    /// <param name="processId">Its process, 0 when the kernel does not know it here (another pid
    /// namespace).</param>
    /// <param name="userId">Its user; null where the kernel does not say, and the mode of the
    /// socket file is all there is.</param>
    /// <param name="own">This end, to look for other processes that have the other end; null leaves
    /// it at the one that connected.</param>
    public Peer OfUnix(int processId, uint? userId, Socket? own = null)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"pid {processId}");
        return new Peer(name, processId, own is not null && userId is { } user ? new PeerSight.OverUnix(own, user) : null)
        {
            Trust = this,
            IsUnix = true,
            UserId = userId,

            // Only of those that could do harm with it: root and the daemon's user may speak for
            // anybody, and who may change nothing is never asked for its process.
            ProcessStart = processId > 0 && userId is { } its && MayChange(its) && !IsOwn(its) ? ProcessStat.StartOf(processId) : null,
            AllowUnknownUser = true,
            AllowAcquire = _allowAcquire || processId == Environment.ProcessId,
        };
    }

    /// <summary>Decides over a peer of a TCP connection.</summary>
    /// <param name="remote">The other end.</param>
    /// <param name="local">This end.</param>
    public Peer OfTcp(IPEndPoint remote, IPEndPoint local) => OfTcp(remote, local, new PeerSight.OverTcp(remote, local));

    /// <inheritdoc cref="OfTcp(IPEndPoint, IPEndPoint)"/>
    /// <param name="remote">The other end.</param>
    /// <param name="local">This end.</param>
    /// <param name="sight">What the kernel can be asked.</param>
    public Peer OfTcp(IPEndPoint remote, IPEndPoint local, PeerSight sight)
    {
        // One of this host that the kernel does not know has closed its end so that nobody sees
        // whose it was. Whoever comes to a loopback address is of this host, from whichever of its
        // addresses; what else there is to know of that is looked at where it matters.
        bool isOfThisHost = IsLoopback(remote) || IsLoopback(local) || remote.Address.Equals(local.Address);
        return new Peer(remote.ToString(), 0, OperatingSystem.IsLinux() ? sight : null)
        {
            Trust = this,
            Origin = remote.Address.ToString(),
            AllowChange = _allowTcpChanges,
            AllowUnknownUser = !isOfThisHost || !OperatingSystem.IsLinux(),
            AllowAcquire = _allowAcquire,
        };
    }

    private static bool IsLoopback(IPEndPoint end) => IPAddress.IsLoopback(SocketDiagnosis.Plain(end.Address));

    private Peer IdentifyUnix(Socket socket)
    {
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }: who called connect, whatever became of
        // the process since.
        Span<byte> credential = stackalloc byte[12];
        return OperatingSystem.IsLinux() && socket.GetRawSocketOption(SolSocket, SoPeerCred, credential) == credential.Length
            ? OfUnix(MemoryMarshal.Read<int>(credential), MemoryMarshal.Read<uint>(credential[4..]), socket)
            : OfUnix(0, null);
    }
}
