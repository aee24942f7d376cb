using System.Globalization;

namespace Portmap;

/// <summary>What a worker is told of its lease, in the environment it is started with.</summary>
/// <param name="Owner">The owner.</param>
/// <param name="Port">The port, or 0.</param>
/// <param name="Epoch">The epoch.</param>
/// <param name="Protocol">The protocol, or both.</param>
/// <param name="Name">Which of the worker's ports this is, or null.</param>
internal readonly record struct LeaseEnvironment(string Owner, int Port, long Epoch, PortProtocol Protocol, string? Name)
{
    public void Apply(PortRegistrySettings settings, IDictionary<string, string?> environment, string? endpoint)
    {
        Set(environment, PortmapVariables.Owner, Owner);
        Set(environment, PortmapVariables.Port, Port.ToString(CultureInfo.InvariantCulture));
        Set(environment, PortmapVariables.Epoch, Epoch.ToString(CultureInfo.InvariantCulture));
        Set(environment, PortmapVariables.Protocol, Protocol switch
        {
            PortProtocol.Udp => PortmapVariables.Udp,
            PortProtocol.TcpAndUdp => PortmapVariables.TcpAndUdp,
            _ => PortmapVariables.Tcp,
        });
        Set(environment, PortmapVariables.Range, settings.Range.ToString());
        Set(environment, PortmapVariables.BindAttempts, settings.BindAttempts.ToString(CultureInfo.InvariantCulture));
        if (settings.Exclude.Length > 0)
        {
            Set(environment, PortmapVariables.Exclude, settings.Exclude);
        }

        if ((endpoint ?? settings.Endpoint) is { } address)
        {
            Set(environment, PortmapVariables.Endpoint, address);
            environment[PortmapVariables.Endpoint] = address;   // for whatever else the process asks of a daemon
        }
    }

    private void Set(IDictionary<string, string?> environment, string variable, string value) => environment[PortmapVariables.Of(variable, Name)] = value;
}
