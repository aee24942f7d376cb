namespace Portmap.Integration.Tests;

/// <summary>A client of a daemon that was started just now: on a busy machine the first answer of a
/// process takes longer than a client waits by default.</summary>
internal static class PatientClient
{
    public static Task<Rpc.PortmapClient> ConnectAsync(Rpc.PortmapEndpoint endpoint, CancellationToken cancellationToken = default) =>
        Rpc.PortmapClient.ConnectAsync(endpoint, new Rpc.PortmapClientOptions { ConnectTimeout = Deadline.Default }, cancellationToken);
}
