namespace Portmap.Rpc.Protocol;

/// <summary>
/// The protocols that a request is about: one, or both of <see cref="PortProtocol.TcpAndUdp"/>, TCP
/// first.
/// </summary>
internal static class SingleProtocols
{
    public static PortProtocol[] Of(PortProtocol protocol) =>
        protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol];
}
