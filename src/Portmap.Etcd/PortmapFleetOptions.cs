using System.Diagnostics.Metrics;

namespace Portmap.Etcd;

/// <summary>Where the fleet's etcd is, who this host is, and how long things may take.</summary>
/// <remarks>Read once when the fleet is made. Not safe for concurrent writes.</remarks>
public sealed class PortmapFleetOptions
{
    /// <summary>The client addresses of etcd's members.</summary>
    /// <value>One or several <c>http://HOST:PORT</c> or <c>https://HOST:PORT</c>, separated by
    /// commas. The default is <c>http://127.0.0.1:2379</c>.</value>
    /// <remarks>One member is used at a time. When it fails the next one is.</remarks>
    public string Endpoints { get; set; } = "http://127.0.0.1:2379";

    /// <summary>The name under which this host publishes. No two hosts may have one name.</summary>
    /// <value>1 to 253 of the characters A-Z, a-z, 0-9, dot, hyphen and underscore. The default is
    /// the machine's name.</value>
    public string Host { get; set; } = Environment.MachineName;

    /// <summary>Where others reach this host: an address or a DNS name, handed to every
    /// reader.</summary>
    /// <value>1 to 253 printable ASCII characters; null, the default, is
    /// <see cref="Host"/>.</value>
    public string? Address { get; set; }

    /// <summary>What every key begins with. Fleets that share an etcd differ in it.</summary>
    /// <value>Begins with a slash and does not end with one. The default is
    /// <c>/portmap/v1</c>.</value>
    public string Prefix { get; set; } = "/portmap/v1";

    /// <summary>How long what this host published, and the owners it claimed, outlive its last sign
    /// of life.</summary>
    /// <value>2 s (etcd grants no less) to 1 h, in whole seconds. The default is 10 s.</value>
    /// <remarks>After a change of etcd's leader, or its restart, the time begins anew.</remarks>
    public TimeSpan LeaseTtl { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether this host publishes what its registry serves.</summary>
    /// <value>The default is true. Without a registry nothing is published.</value>
    public bool Publish { get; set; } = true;

    /// <summary>Whether this host only looks: it takes no lease, writes nothing and claims
    /// nothing.</summary>
    /// <value>The default is false. True is for gateways and tools, whose role in etcd need not let
    /// them write.</value>
    public bool ReadOnly { get; set; }

    /// <summary>Whether this host keeps the map of the whole fleet in its memory.</summary>
    /// <value>The default is true. When it is false <see cref="FleetMap"/> stays empty.</value>
    public bool Mirror { get; set; } = true;

    /// <summary>From which age on <see cref="FleetMap.TryFind"/> refuses to answer.</summary>
    /// <value>1 s to 1 day and at least twice <see cref="HeartbeatInterval"/>, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>, the default: old answers are better than
    /// none.</value>
    /// <remarks><see cref="FleetMap.Staleness"/> is at most about twice
    /// <see cref="HeartbeatInterval"/> while all is well.</remarks>
    public TimeSpan MaxStaleness { get; set; } = Timeout.InfiniteTimeSpan;

    /// <summary>Whether a daemon that stops leaves its entries and claims until
    /// <see cref="LeaseTtl"/> is over.</summary>
    /// <value>The default is false: they go at once. True is for a daemon whose workers go on while
    /// it is restarted: one that is back in time takes its entries over without a gap. The entry of
    /// a worker that has not signed in again by the end of <see cref="LeaseTtl"/> goes
    /// then.</value>
    /// <remarks>Owners that the registry acquired with <see cref="PortScope.Fleet"/> are given back
    /// in any case, and their entries go with them.</remarks>
    public bool KeepEntriesOnStop { get; set; }

    /// <summary>The user of etcd, or null when it asks for none.</summary>
    /// <value>The default is null.</value>
    public string? User { get; set; }

    /// <summary>The password of <see cref="User"/>.</summary>
    /// <value>The default is null. It goes over the wire as it is: use https.</value>
    public string? Password { get; set; }

    /// <summary>A PEM file of the authorities that may have signed etcd's certificate.</summary>
    /// <value>A path; null, the default, trusts what the machine trusts.</value>
    public string? AuthorityFile { get; set; }

    /// <summary>A PEM file with the certificate this host shows to etcd.</summary>
    /// <value>A path; null, the default, shows none.</value>
    public string? CertificateFile { get; set; }

    /// <summary>The PEM file with the key of <see cref="CertificateFile"/>.</summary>
    /// <value>A path; null, the default: the key is in the same file.</value>
    public string? KeyFile { get; set; }

    /// <summary>How long one request to etcd may take before the next member is asked.</summary>
    /// <value>100 ms to 1 min. The default is 3 s. A claim of an owner may take as long, and each
    /// member an equal part of it.</value>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How often etcd is asked for a sign of life on the stream of changes.</summary>
    /// <value>100 ms to 1 min. The default is 1 s.</value>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How often what etcd has of this host is compared with the registry although nothing
    /// went wrong.</summary>
    /// <value>1 s to 1 day. The default is 1 min.</value>
    /// <remarks>After every failure, lost connection or lost lease it is compared at
    /// once.</remarks>
    public TimeSpan AuditInterval { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Makes the meter <c>Portmap.Etcd</c> of this host.</summary>
    /// <value>null, the default, makes one of its own. <c>AddPortmapFleet</c> takes the host's
    /// factory where this is null.</value>
    public IMeterFactory? MeterFactory { get; set; }

    /// <summary>How many updates are kept for one slow reader of
    /// <see cref="FleetMap.WatchAsync"/>.</summary>
    /// <value>1 to 1,048,576. The default is 1,024. A reader that falls further behind gets a new
    /// listing.</value>
    public int WatchCapacity { get; set; } = 1_024;

    /// <summary>What they are now, whatever is written to them later.</summary>
    internal PortmapFleetOptions Copy() => (PortmapFleetOptions)MemberwiseClone();
}
