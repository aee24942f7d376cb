namespace Portmap.Rpc.Peers;

/// <summary>The states of a TCP socket, as the kernel numbers them (net/tcp_states.h).</summary>
internal static class TcpStates
{
    private const int Established = 1, FinWait1 = 4, FinWait2 = 5, CloseWait = 8, LastAck = 9, Closing = 11;

    /// <summary>
    /// Whether both ends know of each other: one that is about to connect may stand where another
    /// one was closed.
    /// </summary>
    public static bool IsConnected(int state) => state is Established or FinWait1 or FinWait2 or CloseWait or LastAck or Closing;
}
