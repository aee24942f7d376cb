using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portmap;
using Portmap.Etcd;

(string etcd, string port) = (args[0], args[1]);
HostApplicationBuilder builder = Host.CreateApplicationBuilder();
builder.Logging.ClearProviders();
builder.Services.AddPortmap(options => options.Probe = false);
builder.Services.AddPortmapFleet(options => (options.Endpoints, options.Host, options.Address) = (etcd, "one", "192.0.2.1"));
using IHost host = builder.Build();
await host.StartAsync();

PortRegistry registry = host.Services.GetRequiredService<PortRegistry>();
await using PortSession session = registry.OpenSession(Environment.ProcessId);
await session.RegisterAsync(new PortClaimRequest("web", int.Parse(port)));
FleetMap map = host.Services.GetRequiredService<FleetMap>();
using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
await foreach (FleetUpdate _ in map.WatchAsync(limit.Token))
{
    if (map.TryFind("web", out FleetEntry? entry))
    {
        Console.WriteLine($"found: {entry.Host} {entry.Address}");
        break;
    }
}

PortRequest request = new("rebalance") { Scope = PortScope.Fleet };
PortLease lease = await registry.AcquireAsync(request, limit.Token);
Console.WriteLine($"claimed in the fleet: {lease.FleetEpoch > 0}");
await host.StopAsync();
return 0;
