using System.Collections.Immutable;

namespace Portmap.Rpc;

#pragma warning disable CA1822, CS9113, CS1591
/// <summary>One connection to a daemon.</summary>
public sealed class PortmapClient : IAsyncDisposable
{
    private PortmapClient() => throw new NotImplementedException();

    public PortmapEndpoint Endpoint => throw new NotImplementedException();

    public static Task<PortmapClient> ConnectAsync(PortmapEndpoint? endpoint = null, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task PingAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<PortEntry> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<PortEntry> RegisterAsync(string owner, int port, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<PortEntry> ReportBindFailureAsync(string owner, int port, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task ReleaseAsync(string owner, int port = 0, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<PortEntry?> LookupAsync(string owner, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<(ImmutableArray<PortEntry> Entries, long Revision)> ListAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public IAsyncEnumerable<PortChange> WatchAsync(long afterRevision = -1, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
