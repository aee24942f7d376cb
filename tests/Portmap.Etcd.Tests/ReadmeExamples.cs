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

    public static async Task ClaimAsync(IHost host, PortRegistry registry)
    {
        FleetOwners owners = host.Services.GetRequiredService<FleetOwners>();
        await using FleetClaim claim = await owners.ClaimAsync("vol0/rebalance");   // or a refusal that names the holder
        PortLease lease = await registry.AcquireAsync("vol0/rebalance");
        ProcessStartInfo start = new("rebalance");
        lease.PrepareStart(start);
        claim.PrepareStart(start);                  // PORTMAP_FLEET_EPOCH
        using Process worker = Process.Start(start)!;
        claim.Lost.Register(worker.Kill);           // released, or the host's time is over
    }
}
