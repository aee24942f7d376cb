using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using Microsoft.Extensions.Primitives;
using Microsoft.Extensions.ServiceDiscovery;
using Portmap;
using Portmap.Rpc;

namespace Discovery;

/// <summary>Service discovery by the port map: the service <c>web</c> is wherever the owner
/// <c>web</c> is served now.</summary>
internal sealed class PortMapEndpoints : IServiceEndpointProviderFactory, IAsyncDisposable
{
    private readonly TaskCompletionSource _isKnown = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _reading;
    private ConcurrentDictionary<string, PortEntry> _served = new();   // another one with each snapshot, so that nobody sees half of one
    private CancellationTokenSource _change = new();

    // Not as a hosted service: YARP resolves its destinations before those are started.
    public PortMapEndpoints() => _reading = ReadAsync(_end.Token);

    public bool TryCreateProvider(ServiceEndpointQuery query, [NotNullWhen(true)] out IServiceEndpointProvider? provider)
    {
        provider = new Provider(this, query.ServiceName);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _reading;
    }

    private async Task ReadAsync(CancellationToken end)
    {
        try
        {
            await using PortmapClient client = await PortmapClient.ConnectAsync(cancellationToken: end);
            await foreach (PortUpdate update in client.WatchAsync(cancellationToken: end))
            {
                Apply(update);
                _isKnown.TrySetResult();
                await Interlocked.Exchange(ref _change, new CancellationTokenSource()).CancelAsync();   // whoever resolved something asks again
            }
        }
        catch (Exception e)
        {
            _isKnown.TrySetException(e);   // no daemon at the start: nothing can be resolved
        }
    }

    private void Apply(PortUpdate update)
    {
        if (update.Snapshot is { } all)
        {
            ConcurrentDictionary<string, PortEntry> served = new();
            foreach (PortEntry entry in all.Entries.Where(entry => entry is { State: PortState.Bound, Protocol: PortProtocol.Tcp }))
            {
                served[entry.Owner] = entry;
            }

            Volatile.Write(ref _served, served);
        }

        foreach ((_, PortChangeKind kind, PortEntry entry) in update.Changes.Where(change => change.Entry.Protocol == PortProtocol.Tcp))
        {
            // A registration takes the place of an older one; an end counts only for the claim it
            // is about.
            if (kind == PortChangeKind.Registered)
            {
                _served[entry.Owner] = entry;
            }
            else if (entry.State != PortState.Bound && _served.TryGetValue(entry.Owner, out PortEntry served) && served.Epoch == entry.Epoch)
            {
                _served.TryRemove(entry.Owner, out _);
            }
        }
    }

    private sealed class Provider(PortMapEndpoints map, string owner) : IServiceEndpointProvider
    {
        public async ValueTask PopulateAsync(IServiceEndpointBuilder endpoints, CancellationToken cancellationToken)
        {
            await map._isKnown.Task.WaitAsync(cancellationToken);
            endpoints.AddChangeToken(new CancellationChangeToken(Volatile.Read(ref map._change).Token));   // before the look, so that no change is missed
            if (Volatile.Read(ref map._served).TryGetValue(owner, out PortEntry entry))
            {
                endpoints.Endpoints.Add(ServiceEndpoint.Create(new IPEndPoint(IPAddress.Loopback, entry.Port)));
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
