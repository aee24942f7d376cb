using System.Net;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Processes;

namespace Portmap.Guarding;

/// <summary>Who is behind an open gate, and who could still come in once it is closed.</summary>
internal enum Behind
{
    /// <summary>
    /// The owner's process, or nobody; once the gate is closed nobody else gets in.
    /// </summary>
    Owner,

    /// <summary>Somebody else listens there too, on another address.</summary>
    /// <remarks>Once the gate is closed nobody else gets in.</remarks>
    Others,

    /// <summary>A closed gate would not keep everybody out, or it cannot be told.</summary>
    Anybody,
}

/// <summary>The look behind an open gate before it is closed.</summary>
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
/// </remarks>
internal static class BehindTheGate
{
    private static readonly IPAddress s_sealV4 = IPAddress.Parse("127.255.255.254"), s_otherSealV4 = IPAddress.Parse("127.255.255.253");
    private static readonly IPAddress s_sealV6 = IPAddress.Parse("100::1");   // the discard-only prefix of RFC 6666

    /// <summary>Looks, and sees to it that nobody can listen once the gate is closed.</summary>
    /// <remarks>Who is bound and silent is meant. The gate must be open still.</remarks>
    /// <param name="port">The TCP port.</param>
    /// <param name="processId">The owner's process, or 0.</param>
    public static Behind Look(int port, int processId)
    {
        if (PortSockets.Listening(PortProtocol.Tcp, port) is not { } listeners)
        {
            return Behind.Anybody;
        }

        foreach (PortSocket listener in listeners)
        {
            if (CanJoin(listener))
            {
                return Behind.Anybody;
            }
        }

        return !Seal(port, listeners) ? Behind.Anybody : HasOthers(listeners, processId) ? Behind.Others : Behind.Owner;
    }

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

        HashSet<long> strange = [.. others];
        ProcessSockets.FindHolders(others, (inode, holder) =>
        {
            if (Ancestry.IsDescendant(holder, processId))
            {
                strange.Remove(inode);
            }
        });
        return [.. listeners.Where(listener => strange.Contains(listener.Inode))];
    }

    private static bool HasOthers(IReadOnlyList<PortSocket> listeners, int processId) => OthersAmong(listeners, processId).Count != 0;

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
    private static bool Seal(int port, IReadOnlyList<PortSocket> listeners)
    {
        bool isV4Served = listeners.Any(listener => listener.Address.Equals(IPAddress.Any) || listener.Served == "*");
        bool isV6Served = !Socket.OSSupportsIPv6 || listeners.Any(listener => listener.Address.Equals(IPAddress.IPv6Any));
        IPAddress v4 = listeners.Any(listener => listener.Address.Equals(s_sealV4)) ? s_otherSealV4 : s_sealV4;
        return (isV4Served && isV6Served) || (!isV4Served && TrySeal(v4, port)) || (!isV6Served && TrySeal(s_sealV6, port));
    }

    private static bool TrySeal(IPAddress address, int port)
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
