namespace Portmap;

/// <summary>The transport a port number belongs to; TCP and UDP are separate port spaces.</summary>
public enum PortProtocol
{
    /// <summary>TCP (RFC 9293). The default.</summary>
    Tcp = 0,

    /// <summary>UDP (RFC 768).</summary>
    Udp = 1,

    /// <summary>
    /// The same number on both, all or nothing. Only an acquisition and a report of a bind failure
    /// may name it; an entry has one protocol.
    /// </summary>
    TcpAndUdp = 2,
}
