namespace ManagementDaemon;

/// <summary>Ports that the host has a name for: <c>--pool public=7000-7099</c>.</summary>
/// <remarks>The registry knows ranges, no names. Whoever wants a port of a pool says its ranges:
/// the host and a client by <c>PortRequest.Ports</c>, a worker that is started by hand by
/// PORTMAP_RANGE.</remarks>
/// <param name="Name">The name.</param>
/// <param name="Ports">The ranges.</param>
internal sealed record Pool(string Name, string Ports);
