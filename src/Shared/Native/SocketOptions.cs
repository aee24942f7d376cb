using System.Net.Sockets;

namespace Portmap.Native;

/// <summary>Options of sockets that .NET has no name for, or sets by rules of its own.</summary>
/// <remarks>The numbers are those of Linux.</remarks>
internal static class SocketOptions
{
    private const int SolIp = 0, SolSocket = 1, SolIpv6 = 41;
    private const int ReuseAddress = 2, ReusePort = 15, AcceptsConnections = 30, FreeBindV4 = 15, FreeBindV6 = 78;

    /// <summary>SO_REUSEADDR: whether others that have it too may bind the port.</summary>
    public static void SetReuseAddress(Socket socket, bool isOn) => Set(socket, SolSocket, ReuseAddress, isOn);

    /// <summary>
    /// SO_REUSEPORT: others of the same user that have it too may bind and listen.
    /// </summary>
    public static void SetReusePort(Socket socket) => Set(socket, SolSocket, ReusePort, isOn: true);

    /// <summary>IP_FREEBIND and IPV6_FREEBIND: it may be bound to an address that this host has
    /// not.</summary>
    public static void SetFreeBind(Socket socket)
    {
        bool isV6 = socket.AddressFamily == AddressFamily.InterNetworkV6;
        Set(socket, isV6 ? SolIpv6 : SolIp, isV6 ? FreeBindV6 : FreeBindV4, isOn: true);
    }

    /// <summary>SO_ACCEPTCONN: whether it listens, whoever else that has it did with it.</summary>
    public static bool Listens(Socket socket) => Get(socket, SolSocket, AcceptsConnections);

    /// <summary>SO_REUSEPORT, as it is now.</summary>
    public static bool IsReusePort(Socket socket) => Get(socket, SolSocket, ReusePort);

    private static bool Get(Socket socket, int level, int option)
    {
        Span<byte> value = stackalloc byte[sizeof(int)];
        value.Clear();
        return socket.GetRawSocketOption(level, option, value) == sizeof(int) && BitConverter.ToInt32(value) != 0;
    }

    private static void Set(Socket socket, int level, int option, bool isOn)
    {
        Span<byte> value = stackalloc byte[sizeof(int)];
        BitConverter.TryWriteBytes(value, isOn ? 1 : 0);
        socket.SetRawSocketOption(level, option, value);
    }
}
