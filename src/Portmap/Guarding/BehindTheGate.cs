using System.Net;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>The look behind a gate as it is closed.</summary>
/// <remarks>
/// <para>
/// Measured on Linux 6.18. A socket with SO_REUSEPORT that binds under a placeholder leaves its
/// mark on the port: from then on sockets of its user with SO_REUSEPORT bind the same addresses and
/// listen, whatever the placeholder says, and also after its death. A bind without SO_REUSEPORT
/// wipes the mark off. So the kernel is asked whether one more such socket gets in at the owner's
/// addresses; that it does is the owner's wish, and the placeholder is of no use. Otherwise a
/// socket without the option is bound for a moment where nobody listens, which wipes off the mark
/// of one that is bound and silent somewhere else.
/// </para>
/// <para>
/// Neither harms anybody: the placeholder lies on the port, so no program can be kept from it that
/// would have got it otherwise.
/// </para>
/// <para>
/// One thing stays: who binds with SO_REUSEPORT between the seal and the closing, two system calls
/// later, and does not listen before the look, leaves a mark that nobody sees.
/// </para>
/// </remarks>
internal static class BehindTheGate
{
    private static readonly IPAddress s_sealV4 = IPAddress.Parse("127.255.255.254"), s_otherSealV4 = IPAddress.Parse("127.255.255.253");
    private static readonly IPAddress s_sealV6 = IPAddress.Parse("100::1");   // the discard-only prefix of RFC 6666

    /// <summary>Closes the gate behind the owner's process, and looks who else is in.</summary>
    /// <param name="held">The placeholder, whose gate is open.</param>
    /// <param name="port">The TCP port.</param>
    /// <param name="processId">The owner's process, or 0.</param>
    /// <returns>
    /// Whether nobody else gets in from now on; false too where it cannot be told.
    /// </returns>
    public static bool TryClose(Placeholder held, int port, int processId)
    {
        if (TrySeal(port) is not { } before)
        {
            return false;
        }

        // The look comes after it: who came between a look and the closing would be overlooked.
        held.IsOpen = false;
        HashSet<long> known = [.. before.Select(listener => listener.Inode)];   // nobody joins those
        if (PortSockets.Listening(PortProtocol.Tcp, port) is not { } listeners || listeners.Any(listener => !known.Contains(listener.Inode) && CanJoin(listener)))
        {
            return false;
        }

        held.IsJoined = OthersAmong(listeners, processId).Count != 0;
        return true;
    }

    /// <summary>
    /// Wipes off the mark that somebody with SO_REUSEPORT may have left on a port, before a socket
    /// of ours listens there that lay open to him.
    /// </summary>
    /// <param name="port">The TCP port, on which our socket is bound, silent, and has
    /// SO_REUSEADDR.</param>
    public static bool TryWipe(int port) => TryBind(s_sealV4, port);

    /// <summary>
    /// The listeners that neither the owner's process nor a descendant of it has.
    /// </summary>
    /// <remarks>
    /// Where the descriptors of the process may not be read, a single listener is believed to be
    /// its.
    /// </remarks>
    public static IReadOnlyList<PortSocket> OthersAmong(IReadOnlyList<PortSocket> listeners, int processId)
    {
        HashSet<long>? own = processId == 0 || listeners.Count == 0 ? null : ProcessSockets.Of(processId);
        if (own is null)
        {
            return listeners.Count > 1 ? listeners : [];
        }

        HashSet<long> others = [.. listeners.Select(listener => listener.Inode).Where(inode => inode != 0 && !own.Contains(inode))];
        if (others.Count == 0)
        {
            return [];
        }

        foreach ((int holder, List<long> sockets) in ProcessSockets.HoldersOf(others))
        {
            if (Ancestry.IsDescendant(holder, processId))
            {
                others.ExceptWith(sockets);
            }
        }

        return [.. listeners.Where(listener => others.Contains(listener.Inode))];
    }

    /// <summary>
    /// Sees to it that nobody who is bound and silent can listen once the gate is closed.
    /// </summary>
    /// <remarks>The gate must be open still, and is closed right after.</remarks>
    /// <param name="port">The TCP port.</param>
    /// <returns>Who listens; null when a closed gate would not keep everybody out.</returns>
    private static IReadOnlyList<PortSocket>? TrySeal(int port) =>
        PortSockets.Listening(PortProtocol.Tcp, port) is { } listeners && !listeners.Any(CanJoin) && IsSealed(port, listeners) ? listeners : null;

    /// <summary>
    /// Whether one more socket of the listener's user gets in at its address; what cannot be asked
    /// counts as yes.
    /// </summary>
    private static bool CanJoin(PortSocket listener)
    {
        try
        {
            using Socket socket = new(listener.Address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
            SocketOptions.SetReusePort(socket);
            SocketOptions.SetFreeBind(socket);   // the listener may be so, or its address has moved to another host
            if (listener.UserId != Posix.EffectiveUser && !Posix.TryGiveTo(socket.SafeHandle, listener.UserId))
            {
                return true;   // only root asks for another user
            }

            if (listener.Address.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = !listener.IsV6Only;
            }

            socket.Bind(new IPEndPoint(listener.Address, listener.Port));
            return true;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode != SocketError.AddressAlreadyInUse;
        }
    }

    /// <summary>Binds for a moment without SO_REUSEPORT where nobody listens.</summary>
    /// <remarks>Where every address is listened on nobody can be bound besides.</remarks>
    private static bool IsSealed(int port, IReadOnlyList<PortSocket> listeners)
    {
        bool isV4Served = listeners.Any(listener => listener.Address.Equals(IPAddress.Any) || listener.Served == "*");
        bool isV6Served = !BoundSocket.MeetsBoth || listeners.Any(listener => listener.Address.Equals(IPAddress.IPv6Any));
        IPAddress v4 = listeners.Any(listener => listener.Address.Equals(s_sealV4)) ? s_otherSealV4 : s_sealV4;
        return (isV4Served && isV6Served) || (!isV4Served && TryBind(v4, port)) || (!isV6Served && TryBind(s_sealV6, port));
    }

    private static bool TryBind(IPAddress address, int port)
    {
        try
        {
            using Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
            SocketOptions.SetReuseAddress(socket, isOn: true);
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = false;
                SocketOptions.SetFreeBind(socket);   // the address is nobody's
            }

            socket.Bind(new IPEndPoint(address, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
