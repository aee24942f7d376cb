using System.Diagnostics;
using Portmap.Diagnostics;
using Portmap.Etcd.Mirroring;

namespace Portmap.Etcd;

/// <summary>One owner that one host of the fleet serves on one port.</summary>
/// <remarks>Safe for any thread. All but <see cref="Address"/> never changes. Another state of the
/// same owner is another object.</remarks>
[DebuggerDisplay("{Owner,nq} on {Host,nq} {Port}/{Protocol}")]
public sealed class FleetEntry
{
    private readonly KnownHost _host;
    private readonly long _claimEpoch;
    private readonly ushort _port;
    private readonly byte _protocol;

    internal FleetEntry(KnownHost host, string owner, PortProtocol protocol, in PublishedEntry published, long revision)
    {
        _host = host;
        Owner = owner;
        _protocol = (byte)protocol;
        _port = published.Port;
        Epoch = published.Epoch;
        _claimEpoch = published.ClaimEpoch;
        Revision = revision;
    }

    /// <summary>The host that serves it, by the name it publishes under.</summary>
    public string Host => _host.Name;

    /// <summary>Where that host is reached, as it says now; its name as long as it has not
    /// said.</summary>
    public string Address => _host.Address;

    /// <summary>The owner.</summary>
    public string Owner { get; }

    /// <summary>The port, 1 to 65535.</summary>
    public int Port => _port;

    /// <summary><see cref="PortProtocol.Tcp"/> or <see cref="PortProtocol.Udp"/>.</summary>
    public PortProtocol Protocol => (PortProtocol)_protocol;

    /// <summary>The epoch of the claim in the registry of that host. Those of two hosts do not
    /// compare.</summary>
    public long Epoch { get; }

    /// <summary>The epoch of the claim by which that host holds the owner alone in the fleet; null
    /// without one.</summary>
    /// <remarks>Those of all hosts compare: the later holder has the higher one.</remarks>
    public long? ClaimEpoch => _claimEpoch == 0 ? null : _claimEpoch;

    /// <summary>The revision of etcd that wrote this entry.</summary>
    public long Revision { get; }

    internal KnownHost KnownHost => _host;

    /// <summary>Host, address, port, protocol and owner, for logs.</summary>
    public override string ToString() => Printable.Of(FormattableString.Invariant($"{Owner} on {Host} ({Address}:{Port}/{Protocol})"));
}
