using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Portmap.Rpc.Peers;

/// <summary>
/// Finds a TCP socket in /proc/net/tcp and tcp6 (proc(5)), where <see cref="SocketDiagnosis"/>
/// cannot be asked.
/// </summary>
/// <remarks>It reads every connection of the host. Safe for any thread.</remarks>
internal static class TcpTable
{
    private const int StateColumn = 3, UserColumn = 7, InodeColumn = 9;

    /// <inheritdoc cref="SocketDiagnosis.TryFindTcp"/>
    /// <param name="local">The end of the socket that is looked for.</param>
    /// <param name="remote">The other one.</param>
    /// <param name="socket">The socket; null when no process of this network has such a one
    /// open.</param>
    /// <param name="folder">/proc/net.</param>
    public static bool TryFind(IPEndPoint local, IPEndPoint remote, out PeerSocket? socket, string folder = "/proc/net")
    {
        socket = null;
        IPAddress from = SocketDiagnosis.Plain(local.Address), to = SocketDiagnosis.Plain(remote.Address);
        if (from.AddressFamily == AddressFamily.InterNetwork
            && (!TryFindIn($"{folder}/tcp", Pair(from, local.Port, to, remote.Port), out socket) || socket is not null))
        {
            return socket is not null;
        }

        // A v6 socket that speaks v4 stands there.
        return TryFindIn($"{folder}/tcp6", Pair(from.MapToIPv6(), local.Port, to.MapToIPv6(), remote.Port), out socket)
            || from.AddressFamily == AddressFamily.InterNetwork;
    }

    private static bool TryFindIn(string path, string pair, out PeerSocket? socket)
    {
        socket = null;
        try
        {
            foreach (string line in File.ReadLines(path, Encoding.ASCII))
            {
                // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid
                // timeout inode …
                if (line.Contains(pair, StringComparison.Ordinal)
                    && line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: > InodeColumn } columns
                    && int.TryParse(columns[StateColumn], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int state) && TcpStates.IsConnected(state)
                    && uint.TryParse(columns[UserColumn], NumberStyles.None, CultureInfo.InvariantCulture, out uint user)
                    && long.TryParse(columns[InodeColumn], NumberStyles.None, CultureInfo.InvariantCulture, out long inode) && inode != 0)
                {
                    socket = new PeerSocket(user, inode);
                    return true;
                }
            }

            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string Pair(IPAddress local, int localPort, IPAddress remote, int remotePort) =>
        string.Create(CultureInfo.InvariantCulture, $" {Hex(local)}:{localPort:X4} {Hex(remote)}:{remotePort:X4} ");

    // Words of 32 bits, each as this machine writes numbers.
    private static string Hex(IPAddress address) =>
        string.Concat(MemoryMarshal.Cast<byte, uint>(address.GetAddressBytes()).ToArray().Select(word => word.ToString("X8", CultureInfo.InvariantCulture)));
}
