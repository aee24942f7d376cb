using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>The connection of a brick to its daemon, cut from outside: a forwarder between the two
/// would be who speaks, as far as the kernel says.</summary>
internal static class BrickConnection
{
    // tcp(7), pidfd_open(2), pidfd_getfd(2); the numbers are the same on every architecture .NET
    // runs on.
    private const int TcpProtocol = 6, TcpRepair = 19, PidfdOpen = 434, PidfdGetfd = 438;

    /// <summary>Ends it at the brick's end, as a network does that lost it.</summary>
    /// <param name="processId">The brick.</param>
    /// <param name="daemon">Where the daemon listens.</param>
    /// <param name="daemonToo">Whether the daemon is told; otherwise its end stays open.</param>
    public static void Cut(int processId, IPEndPoint daemon, bool daemonToo)
    {
        nint process = Call(PidfdOpen, processId, 0, 0);
        ((long)process).Should().BePositive("error {0}", Marshal.GetLastPInvokeError());
        int cut = 0;
        foreach (string descriptor in Directory.EnumerateFiles(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/fd")))
        {
            if (new FileInfo(descriptor).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true
                && Call(PidfdGetfd, process, int.Parse(Path.GetFileName(descriptor), CultureInfo.InvariantCulture), 0) is >= 0 and nint copy)
            {
                using Socket socket = new(new SafeSocketHandle(copy, ownsHandle: true));
                cut += TryCut(socket, daemon, daemonToo) ? 1 : 0;
            }
        }

        _ = Close((int)process);
        cut.Should().Be(1, "a brick has one connection to its daemon");
    }

    private static bool TryCut(Socket socket, IPEndPoint daemon, bool daemonToo)
    {
        if (socket.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6) || !socket.Connected || !daemon.Equals(socket.RemoteEndPoint))
        {
            return false;
        }

        if (!daemonToo)
        {
            socket.SetRawSocketOption(TcpProtocol, TcpRepair, BitConverter.GetBytes(1));   // what is done to it now goes over no wire
        }

        Connect((int)socket.Handle, new byte[16], 16).Should().Be(0, "AF_UNSPEC ends a connection");
        return true;
    }

    [DllImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static extern nint Call(nint number, nint first, nint second, nint third);

    [DllImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static extern int Connect(int socket, byte[] address, int length);

    [DllImport("libc", EntryPoint = "close")]
    private static extern int Close(int descriptor);
}
