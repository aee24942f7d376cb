using System.Diagnostics.CodeAnalysis;
using System.Net;
using Microsoft.Extensions.Primitives;
using Microsoft.Extensions.ServiceDiscovery;
using Portmap.Etcd;

namespace Discovery;

/// <summary>Service discovery by the map of a fleet: the service <c>web</c> is wherever any host
/// serves the owner <c>web</c> now.</summary>
internal sealed class FleetEndpoints : IServiceEndpointProviderFactory, IAsyncDisposable
{
    private readonly PortmapFleet _fleet;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _reading;
    private CancellationTokenSource _change = new();

    // Started here and not as a hosted service: YARP resolves its destinations before those are
    // started.
    public FleetEndpoints(string endpoints)
    {
        _fleet = new PortmapFleet(new PortmapFleetOptions { Endpoints = endpoints, ReadOnly = true });
        _fleet.Start();
        _reading = ReadAsync(_end.Token);
    }

    public bool TryCreateProvider(ServiceEndpointQuery query, [NotNullWhen(true)] out IServiceEndpointProvider? provider)
    {
        provider = new Provider(this, query.ServiceName);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _fleet.DisposeAsync();
    }

    private async Task ReadAsync(CancellationToken end)
    {
        await foreach (FleetUpdate _ in _fleet.Map.WatchAsync(end))
        {
            await Interlocked.Exchange(ref _change, new CancellationTokenSource()).CancelAsync();   // whoever resolved something asks again
        }
    }

    private sealed class Provider(FleetEndpoints source, string owner) : IServiceEndpointProvider
    {
        public async ValueTask PopulateAsync(IServiceEndpointBuilder endpoints, CancellationToken cancellationToken)
        {
            await source._fleet.Map.WhenListed.WaitAsync(cancellationToken);
            endpoints.AddChangeToken(new CancellationChangeToken(Volatile.Read(ref source._change).Token));   // before the look, so that no change is missed
            foreach (FleetEntry entry in source._fleet.Map.FindAll(owner).Span)
            {
                endpoints.Endpoints.Add(ServiceEndpoint.Create(
                    IPAddress.TryParse(entry.Address, out IPAddress? address) ? new IPEndPoint(address, entry.Port) : new DnsEndPoint(entry.Address, entry.Port)));
            }
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
