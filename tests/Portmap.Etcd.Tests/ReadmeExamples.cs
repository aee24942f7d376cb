using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Portmap.Etcd.Tests;

/// <summary>The code of the package's README, so that it compiles.</summary>
internal static class ReadmeExamples
{
    public static void Add(HostApplicationBuilder builder)
    {
        builder.Services.AddPortmap();
        builder.Services.AddPortmapFleet(options =>
        {
            options.Endpoints = "https://etcd1:2379,https://etcd2:2379,https://etcd3:2379";
            options.Address = "10.0.0.7";   // where others reach this host
        });
    }

    public static void Find(IHost host)
    {
        FleetMap map = host.Services.GetRequiredService<FleetMap>();
        if (map.TryFind("vol0:/bricks/b1", out FleetEntry? entry))
        {
            Console.WriteLine($"{entry.Address}:{entry.Port}");
        }
    }

    public static async Task AcquireAsync(PortRegistry registry)
    {
        PortRequest request = new("vol0/rebalance") { Scope = PortScope.Fleet };
        PortLease lease = await registry.AcquireAsync(request);   // or a refusal that names the host that has it
        ProcessStartInfo start = new("rebalance");
        lease.PrepareStart(start);                                // PORTMAP_FLEET_EPOCH among the rest
        using Process worker = Process.Start(start)!;
        lease.Ended.Register(worker.Kill);                        // the time of this host is over
    }
}
