namespace Portmap.Rpc;

/// <summary>How a <see cref="PortmapServer"/> behaves. Read when the server is made; later changes have no effect.</summary>
/// <remarks>Not safe for concurrent writes.</remarks>
public sealed class PortmapServerOptions
{
    /// <summary>Where to listen.</summary>
    /// <value><c>unix:PATH</c> and <c>tcp:ADDRESS:PORT</c>, any number; TCP port 0 lets the kernel choose. Left empty, the default, it means <see cref="PortmapEndpoint.Default"/>.</value>
    public IList<string> Endpoints { get; } = [];

    /// <summary>Whether TCP endpoints may have an address other than loopback.</summary>
    /// <value>The default is false.</value>
    /// <remarks><b>There is no authentication over TCP:</b> whoever reaches the port can register, look up and acquire. Process ids of other hosts are not believed.</remarks>
    public bool AllowRemote { get; set; }

    /// <summary>The longest record that is read; a longer one closes the connection.</summary>
    /// <value>Bytes, 16,384 to 16,777,216. The default is 65,536. Replies of the server's own programs keep to it as well.</value>
    public int MaxRecordBytes { get; set; } = 65_536;

    /// <summary>How many connections are open at once; one more is closed as soon as it is accepted.</summary>
    /// <value>1 to 1,048,576. The default is 4,096.</value>
    public int MaxConnections { get; set; } = 4_096;

    /// <summary>How many requests of one connection may wait for a change at once; while as many do, the connection is not read.</summary>
    /// <value>1 to 65,536. The default is 64.</value>
    public int MaxPendingRequests { get; set; } = 64;

    /// <summary>How many owners may be registered over one session at once; one more is refused as <see cref="PortRefusalReason.TooManyOwners"/>.</summary>
    /// <value>1 to 1,048,576. The default is 16,384: a multiplexed process serves thousands of bricks.</value>
    public int MaxOwnersPerSession { get; set; } = 16_384;

    /// <summary>How long a request waits for a change at most, whatever it asks for.</summary>
    /// <value>0 to 1 h. The default is 60 s.</value>
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The host's own programs, served beside the built-in ones.</summary>
    /// <value>None by default. Two programs of one number must differ in their version, and none may be a built-in one.</value>
    public IList<IRpcProgram> Programs { get; } = [];
}
