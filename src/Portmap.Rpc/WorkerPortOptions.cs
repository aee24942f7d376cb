using System.Net;
using Microsoft.Extensions.Logging;

namespace Portmap.Rpc;

/// <summary>
/// What a worker listens on and whom it tells. A value that is not set is taken from its
/// environment variable, which <see cref="PortLease.PrepareStart"/> sets.
/// </summary>
/// <remarks>Read once by <see cref="WorkerPort"/>. Not safe for concurrent writes.</remarks>
public sealed class WorkerPortOptions
{
    /// <summary>
    /// Which of the ports of this process: the name that <see cref="PortLease.PrepareStart"/> gave
    /// it, "http" or "admin".
    /// </summary>
    /// <value>
    /// A letter, then letters, digits or '_', 64 at most; case does not count. Not "fleet", and not
    /// with "_fleet" at its end. It stands in each variable named here: PORTMAP_HTTP_OWNER,
    /// PORTMAP_HTTP_PORT and so on. Where one of those is not set, PORTMAP_ENDPOINT,
    /// PORTMAP_ADDRESS and PORTMAP_BIND_ATTEMPTS count for all ports of the process. null, the
    /// default, is the port without a name.
    /// </value>
    public string? Name { get; set; }

    /// <summary>Where the daemon is.</summary>
    /// <value>
    /// <c>unix:PATH</c> or <c>tcp:ADDRESS:PORT</c>. null takes PORTMAP_ENDPOINT, else
    /// <see cref="PortmapEndpoint.Default"/>.
    /// </value>
    public string? Endpoint { get; set; }

    /// <summary>The name the port is held under.</summary>
    /// <value>
    /// null takes PORTMAP_OWNER, which must be set then. With another one than that, PORTMAP_PORT
    /// and PORTMAP_EPOCH do not count: they are of its lease.
    /// </value>
    public string? Owner { get; set; }

    /// <summary>The port to listen on.</summary>
    /// <value>
    /// 1 to 65535, or 0: this process picks one inside <see cref="Ports"/>. null takes
    /// PORTMAP_PORT, if it is of <see cref="Owner"/>, else 0.
    /// </value>
    public int? Port { get; set; }

    /// <summary>The fencing token of the lease.</summary>
    /// <value>
    /// null takes PORTMAP_EPOCH, if it is of <see cref="Owner"/>; 0, there or here, when nobody
    /// acquired for this process.
    /// </value>
    public long? Epoch { get; set; }

    /// <summary>What to listen on.</summary>
    /// <value>
    /// null takes PORTMAP_PROTOCOL (<c>tcp</c>, <c>udp</c>, <c>tcp+udp</c>), else TCP.
    /// </value>
    public PortProtocol? Protocol { get; set; }

    /// <summary>Where this process picks a port when it was given none.</summary>
    /// <value> <c>FIRST-LAST</c>, or several separated by commas. null takes PORTMAP_RANGE. Without
    /// either, and without a port and an epoch, the daemon is asked for a port of its range;
    /// 49152-65535 is used where the daemon may not be asked
    /// (<see cref="PortmapServerOptions.AllowAcquire"/>) or leaves the choice to the process.
    /// </value>
    public string? Ports { get; set; }

    /// <summary>Ports of the range that are not picked.</summary>
    /// <value>
    /// Numbers and ranges separated by commas. null takes PORTMAP_EXCLUDE, else none.
    /// </value>
    public string? Exclude { get; set; }

    /// <summary>The local address to listen on.</summary>
    /// <value>
    /// null takes PORTMAP_ADDRESS, else every address of both families (<c>::</c>, dual-stack), or
    /// <c>0.0.0.0</c> on a host without IPv6.
    /// </value>
    public IPAddress? Address { get; set; }

    /// <summary>How many ports in a row may be found impossible to bind before giving up.</summary>
    /// <value>1 to 1,000. null takes PORTMAP_BIND_ATTEMPTS, else 8.</value>
    public int? BindAttempts { get; set; }

    /// <summary>The backlog of the listening TCP socket.</summary>
    /// <value>At least 1. The default is 512.</value>
    public int Backlog { get; set; } = 512;

    /// <summary>
    /// How long to go on trying, at the start, until the daemon has answered for the first time;
    /// the same when the connection breaks before the worker is signed in.
    /// </summary>
    /// <value>
    /// 0 to 1 day. 0 tries once, for at most 1 s. The default is 5 s. Once signed in, a worker
    /// tries for ever to sign in again.
    /// </value>
    /// <remarks>
    /// A daemon that is stopped or hangs has its connections accepted by the kernel; it counts as
    /// one that does not answer.
    /// </remarks>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long to wait for the answer to one call.</summary>
    /// <value>
    /// More than 0 and at most 1 day, or <see cref="Timeout.InfiniteTimeSpan"/>. The default is 30
    /// s.
    /// </value>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often the worker asks whether lookups still find it, see
    /// <see cref="WorkerPort.WhenLost"/>.
    /// </summary>
    /// <value>
    /// 100 ms to 1 day, or <see cref="Timeout.InfiniteTimeSpan"/> for never. The default is 5 s.
    /// </value>
    public TimeSpan CheckInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long the connection to the daemon stays open once the worker has signed out, for the
    /// next port that this process listens on.
    /// </summary>
    /// <value>
    /// 0 to 1 day. The default is 0: it is closed at once. A process that listens on one port after
    /// the other saves a connection for each; one that is kept takes a descriptor of the daemon.
    /// </value>
    /// <remarks>
    /// A process keeps one at most. Only a worker with the same <see cref="Endpoint"/>,
    /// <see cref="CallTimeout"/> and <see cref="TimeProvider"/> goes on with it.
    /// </remarks>
    public TimeSpan KeepConnection { get; set; }

    /// <summary>Where disconnects, refusals and new sign-ins are reported.</summary>
    /// <value>null, the default, reports nothing.</value>
    public ILogger? Logger { get; set; }

    /// <summary>The clock of the waits between attempts.</summary>
    /// <value>The default is the system's.</value>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;
}
