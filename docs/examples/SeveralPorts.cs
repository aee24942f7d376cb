using System.Diagnostics;
using Portmap;
using Portmap.Rpc;

namespace Examples;

/// <summary>A worker with two ports, each with an owner of its own.</summary>
public static class SeveralPorts
{
    public static async Task<(WorkerPort Main, WorkerPort Admin)> ListenAsync()
    {
        WorkerPort main = await WorkerPort.ListenAsync();
        WorkerPort admin = await WorkerPort.ListenAsync(new WorkerPortOptions { Owner = $"{main.Owner}/admin" });
        return (main, admin);
    }

    public static async Task PrepareAsync(PortRegistry registry, ProcessStartInfo start)
    {
        string[] names = ["http", "admin", "metrics"];
        foreach (string name in names)
        {
            PortLease lease = await registry.AcquireAsync($"web/{name}");
            lease.PrepareStart(start, name: name);   // PORTMAP_HTTP_PORT and so on
        }
    }

    public static async Task<(WorkerPort Http, WorkerPort Metrics)> ListenByNameAsync()
    {
        WorkerPort http = await WorkerPort.ListenAsync(new WorkerPortOptions { Name = "http" });
        WorkerPort metrics = await WorkerPort.ListenAsync(new WorkerPortOptions { Name = "metrics" });
        return (http, metrics);
    }

    public static async Task<IReadOnlyList<PortLease>> AcquireAsync(PortRegistry registry)
    {
        IReadOnlyList<PortLease> leases = await registry.AcquireAllAsync(
            ["web", "web/admin", new PortRequest("web/quic") { Protocol = PortProtocol.Udp }]);
        return leases;
    }

    public static async Task<IReadOnlyList<PortLease>> AcquireRowAsync(PortRegistry registry)
    {
        PortRequest[] nodes = [.. Enumerable.Range(0, 10).Select(i => new PortRequest($"db/{i}") { Strategy = PortRegistryOptions.AllocatorPicks })];
        IReadOnlyList<PortLease> row = await registry.AcquireAllAsync(nodes, contiguous: true);
        return row;
    }
}
