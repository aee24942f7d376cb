using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Portmap.Rpc.Tests.Working;

/// <summary>Ports that were let go just now.</summary>
internal static class LetGo
{
    private const int MostCopies = 100;

    /// <summary>Listens on one, or by UDP has it. A child that another test starts holds a copy of
    /// every descriptor until it has called exec; once a child of our own runs, that one has as
    /// well.</summary>
    public static Socket Listen(int port, PortProtocol protocol = PortProtocol.Tcp)
    {
        bool isTcp = protocol == PortProtocol.Tcp;
        for (int attempt = 0; ; attempt++)
        {
            Socket socket = new(AddressFamily.InterNetwork, isTcp ? SocketType.Stream : SocketType.Dgram, isTcp ? ProtocolType.Tcp : ProtocolType.Udp);
            try
            {
                socket.Bind(new IPEndPoint(PortBlock.Loopback, port));
                if (isTcp)
                {
                    socket.Listen();
                }

                return socket;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse && attempt < MostCopies)
            {
                socket.Dispose();
                using Process child = Process.Start("true");
                child.WaitForExit();
            }
        }
    }
}
