using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Rpc.Serving;

/// <summary>Who a peer is, as far as the kernel says, and what the options let it do.</summary>
internal sealed class Trust
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const uint Root = 0;

    private readonly HashSet<uint> _users;
    private readonly bool _allowAcquire;
    private readonly bool _allowTcpChanges;
    private readonly bool _believeTcpProcessIds;

    public Trust(PortmapServerOptions options)
    {
        _users = [Root, .. options.AllowedUserIds];
        if (PosixFile.OwnUserId is { } own)
        {
            _users.Add(own);
        }

        _allowAcquire = options.AllowAcquire;
        _allowTcpChanges = options.AllowTcpChanges;
        _believeTcpProcessIds = options.BelieveTcpProcessIds;
    }

    /// <exception cref="SocketException">It is gone already.</exception>
    public Peer Identify(Socket socket) => socket.AddressFamily == AddressFamily.Unix ? IdentifyUnix(socket) : IdentifyTcp(socket);

    /// <summary>Decides over a peer of a Unix socket.</summary>
    /// <param name="processId">Its process, 0 when the kernel does not know it here (another pid namespace).</param>
    /// <param name="userId">Its user; null where the kernel does not say, and the mode of the socket file is all there is.</param>
    public Peer OfUnix(int processId, uint? userId)
    {
        bool mayChange = userId is not { } user || _users.Contains(user);
        return new Peer($"pid {processId} (uid {userId?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unknown"})", processId, MayClaimProcess: false)
        {
            Origin = $"pid {processId}",
            MayChange = mayChange,
            MayAcquire = mayChange && (_allowAcquire || processId == Environment.ProcessId),
        };
    }

    /// <summary>Decides over a peer of a TCP connection.</summary>
    public Peer OfTcp(IPEndPoint remote) => new(remote.ToString(), 0, MayClaimProcess: _believeTcpProcessIds && IPAddress.IsLoopback(remote.Address))
    {
        Origin = remote.Address.ToString(),
        MayChange = _allowTcpChanges,
        MayAcquire = _allowTcpChanges && _allowAcquire,
    };

    private Peer IdentifyTcp(Socket socket) => OfTcp((IPEndPoint)socket.RemoteEndPoint!);

    private Peer IdentifyUnix(Socket socket)
    {
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }: who called connect, whatever became of the process since.
        Span<byte> credential = stackalloc byte[12];
        return OperatingSystem.IsLinux() && socket.GetRawSocketOption(SolSocket, SoPeerCred, credential) == credential.Length
            ? OfUnix(MemoryMarshal.Read<int>(credential), MemoryMarshal.Read<uint>(credential[4..]))
            : OfUnix(0, null);
    }
}
