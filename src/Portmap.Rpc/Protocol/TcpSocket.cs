using System.Net.Sockets;

namespace Portmap.Rpc.Protocol;

/// <summary>What both ends of a TCP connection set on their sockets.</summary>
internal static class TcpSocket
{
    private const int IdleSeconds = 60;
    private const int BetweenProbesSeconds = 10;
    private const int Probes = 6;
    private const int LevelOfTcp = 6, UserTimeout = 18;   // TCP_USER_TIMEOUT, tcp(7)

    private static readonly TimeSpan s_after = TimeSpan.FromSeconds(1);   // our own limit comes first, and says so

    /// <summary>
    /// Answers go out at once, and a peer whose host is gone without a word is noticed: after a
    /// minute of silence it is asked, and after six questions without an answer, two minutes in
    /// all, the connection ends. So it does where something that was said is not acknowledged for
    /// two minutes: as long as that is so the kernel asks nothing, and would say it again for a
    /// quarter of an hour. Only Linux has an option for that. It ends as well what acknowledges and
    /// takes nothing, so it is longer where we ourselves wait longer for that.
    /// </summary>
    /// <param name="socket">It is connected.</param>
    /// <param name="patience">How long we wait until the other end has taken what is said;
    /// <see cref="Timeout.InfiniteTimeSpan"/> leaves it to the kernel.</param>
    public static void Prepare(Socket socket, TimeSpan patience)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, IdleSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, BetweenProbesSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Probes);
        if (OperatingSystem.IsLinux() && patience != Timeout.InfiniteTimeSpan)
        {
            TimeSpan silence = TimeSpan.FromSeconds(IdleSeconds + (Probes * BetweenProbesSeconds));
            TimeSpan taking = patience + s_after;
            Span<byte> milliseconds = stackalloc byte[sizeof(int)];
            BitConverter.TryWriteBytes(milliseconds, (int)(taking > silence ? taking : silence).TotalMilliseconds);
            socket.SetRawSocketOption(LevelOfTcp, UserTimeout, milliseconds);
        }
    }
}
