using System.Globalization;

namespace Portmap;

/// <summary>Tells a worker its port, in the environment it is started with.</summary>
internal static class LeaseEnvironment
{
    public static void Apply(PortLease lease, PortRegistrySettings settings, IDictionary<string, string?> environment, string? endpoint)
    {
        environment[PortmapVariables.Owner] = lease.Owner;
        environment[PortmapVariables.Port] = lease.Port.ToString(CultureInfo.InvariantCulture);
        environment[PortmapVariables.Epoch] = lease.Epoch.ToString(CultureInfo.InvariantCulture);
        environment[PortmapVariables.Protocol] = PortmapVariables.WordOf(lease.Protocol);
        environment[PortmapVariables.Range] = settings.Range.ToString();
        environment[PortmapVariables.BindAttempts] = settings.BindAttempts.ToString(CultureInfo.InvariantCulture);
        if (settings.Exclude.Length > 0)
        {
            environment[PortmapVariables.Exclude] = settings.Exclude;
        }

        if ((endpoint ?? settings.Endpoint) is { } address)
        {
            environment[PortmapVariables.Endpoint] = address;
        }
    }
}
