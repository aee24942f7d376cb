using System.Globalization;

namespace Portmap;

/// <summary>The environment variables by which a worker is told its port.</summary>
internal static class LeaseEnvironment
{
    public static void Apply(PortLease lease, PortRegistrySettings settings, IDictionary<string, string?> environment, string? endpoint)
    {
        environment["PORTMAP_OWNER"] = lease.Owner;
        environment["PORTMAP_PORT"] = lease.Port.ToString(CultureInfo.InvariantCulture);
        environment["PORTMAP_EPOCH"] = lease.Epoch.ToString(CultureInfo.InvariantCulture);
        environment["PORTMAP_PROTOCOL"] = lease.Protocol switch
        {
            PortProtocol.Udp => "udp",
            PortProtocol.TcpAndUdp => "tcp+udp",
            _ => "tcp",
        };
        environment["PORTMAP_RANGE"] = settings.Range.ToString();
        environment["PORTMAP_BIND_ATTEMPTS"] = settings.BindAttempts.ToString(CultureInfo.InvariantCulture);
        if (settings.Exclude.Length > 0)
        {
            environment["PORTMAP_EXCLUDE"] = settings.Exclude;
        }

        if ((endpoint ?? settings.Endpoint) is { } address)
        {
            environment["PORTMAP_ENDPOINT"] = address;
        }
    }
}
