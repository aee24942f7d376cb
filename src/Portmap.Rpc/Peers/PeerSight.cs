using System.Net;
using System.Net.Sockets;
using Portmap.Native;

namespace Portmap.Rpc.Peers;

/// <summary>What the kernel of this host can say of a peer when it is asked.</summary>
/// <remarks>Safe for any thread; the real ones keep nothing.</remarks>
internal abstract class PeerSight
{
    private const uint Root = 0;

    /// <summary>Looks for the peer's socket.</summary>
    /// <param name="socket">What was found; null when this host has none, because the peer is of
    /// another host or has closed it.</param>
    /// <returns>False when it cannot be looked at now.</returns>
    public abstract bool TryLook(out PeerSocket? socket);

    /// <summary>Whether the peer has an address of this host. Asked where no socket of its was
    /// found: a process of this host has closed its end so that nobody sees whose it was.</summary>
    /// <returns>Null when it cannot be looked at now.</returns>
    public virtual bool? IsOfThisHost() => false;

    /// <summary>
    /// Whether a process has the peer's socket among its descriptors, as far as that may be seen.
    /// </summary>
    /// <remarks>
    /// It has to be the socket's user's process, unless that is root's: others may have passed it
    /// their socket.
    /// </remarks>
    /// <returns>Null when it cannot be looked at now.</returns>
    public virtual bool? Holds(int processId, PeerSocket socket) =>
        socket.UserId == Root || PosixFile.OfProcess(processId) == socket.UserId ? ProcessDescriptors.Has(processId, socket.Inode) : false;

    /// <summary>Over TCP: found by the addresses of the connection.</summary>
    /// <param name="peer">The address at the other end.</param>
    /// <param name="own">The address at this end.</param>
    public sealed class OverTcp(IPEndPoint peer, IPEndPoint own) : PeerSight
    {
        public override bool TryLook(out PeerSocket? socket) =>
            SocketDiagnosis.TryFindTcp(peer, own, out socket) || TcpTable.TryFind(peer, own, out socket);

        // What goes to an address of this host comes from that address: the route is asked for, and
        // nothing is sent.
        public override bool? IsOfThisHost()
        {
            IPAddress address = SocketDiagnosis.Plain(peer.Address);
            try
            {
                using Socket asking = new(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
                asking.Connect(address, peer.Port);
                return asking.LocalEndPoint is IPEndPoint { Address: { } from } && from.Equals(address);
            }
            catch (SocketException e)
            {
                return e.SocketErrorCode is SocketError.NetworkUnreachable or SocketError.HostUnreachable ? false : null;   // this host is always reached
            }
        }
    }

    /// <summary>
    /// Over a Unix socket: found from this end's descriptor. The user is known already
    /// (SO_PEERCRED).
    /// </summary>
    /// <param name="own">This end.</param>
    /// <param name="userId">The user that connected.</param>
    public sealed class OverUnix(Socket own, uint userId) : PeerSight
    {
        public override bool TryLook(out PeerSocket? socket)
        {
            socket = null;
            if (ProcessDescriptors.InodeOf(own) is not { } inode || !SocketDiagnosis.TryFindUnixPeer(inode, out long peer))
            {
                return false;
            }

            socket = peer == 0 ? null : new PeerSocket(userId, peer);
            return true;
        }
    }
}
