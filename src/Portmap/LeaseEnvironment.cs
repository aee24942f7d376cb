using System.Globalization;

namespace Portmap;

/// <summary>What a worker is told of its lease, in the environment it is started with.</summary>
/// <param name="Owner">The owner.</param>
/// <param name="Port">The port, or 0.</param>
/// <param name="Epoch">The epoch.</param>
/// <param name="Protocol">The protocol, or both.</param>
/// <param name="Ports">The ranges it is to lie in; null is any that are handed out.</param>
/// <param name="FleetEpoch">The epoch in the fleet; null for a lease that is no fleet's.</param>
internal readonly record struct LeaseEnvironment(string Owner, int Port, long Epoch, PortProtocol Protocol, string? Ports, long? FleetEpoch)
{
    public void Apply(PortRegistrySettings settings, IDictionary<string, string?> environment, string? endpoint, string? name)
    {
        Set(PortmapVariables.Owner, Owner);
        Set(PortmapVariables.Port, Port.ToString(CultureInfo.InvariantCulture));
        Set(PortmapVariables.Epoch, Epoch.ToString(CultureInfo.InvariantCulture));
        Set(PortmapVariables.Protocol, Protocol switch
        {
            PortProtocol.Udp => PortmapVariables.Udp,
            PortProtocol.TcpAndUdp => PortmapVariables.TcpAndUdp,
            _ => PortmapVariables.Tcp,
        });
        Set(PortmapVariables.Range, Ports ?? settings.Ports.Text);
        Set(PortmapVariables.BindAttempts, settings.BindAttempts.ToString(CultureInfo.InvariantCulture));
        string exclude = string.Join(',', [.. settings.Exclude.Length > 0 ? [settings.Exclude] : (string[])[], .. settings.Kept?.ExceptOf(Owner).Select(range => range.ToString()) ?? []]);
        Set(PortmapVariables.Exclude, exclude.Length > 0 ? exclude : null);
        string fleetEpoch = PortmapVariables.Of(PortmapVariables.FleetEpoch, name);
        if (FleetEpoch is not null || (environment.TryGetValue(fleetEpoch, out string? inherited) && inherited == Environment.GetEnvironmentVariable(fleetEpoch)))
        {
            Set(PortmapVariables.FleetEpoch, FleetEpoch?.ToString(CultureInfo.InvariantCulture));   // another one is FleetClaim.PrepareStart's, and stays
        }

        if ((endpoint ?? settings.Endpoint) is { } address)
        {
            Set(PortmapVariables.Endpoint, address);
            environment[PortmapVariables.Endpoint] = address;   // for whatever else the process asks of a daemon
        }
        else if (name is not null)
        {
            Set(PortmapVariables.Endpoint, null);   // the one without a name is the host's own, which may be meant for all
        }

        // A daemon may be a worker itself: what it was told by another one is not said of its own workers.
        void Set(string variable, string? value)
        {
            if (value is not null)
            {
                environment[PortmapVariables.Of(variable, name)] = value;
            }
            else
            {
                environment.Remove(PortmapVariables.Of(variable, name));
            }
        }
    }
}
