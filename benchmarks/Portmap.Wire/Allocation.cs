using Portmap.Rpc;

namespace Portmap.Wire;

/// <summary>What the server allocates for a lookup: it runs in this process, its client does
/// not.</summary>
internal static class Allocation
{
    private const int Calls = 1_000_000;

    /// <returns>Bytes per served lookup.</returns>
    public static async Task<double> MeasureAsync(LoadClient client)
    {
        const string Address = "127.78.77.4:24007";
        await using PortRegistry registry = new(new PortRegistryOptions());
        PortmapServerOptions options = new();
        options.Endpoints.Add($"tcp:{Address}");
        await using PortmapServer server = new(registry, options);
        await server.StartAsync();
        await registry.OpenSession(Environment.ProcessId).RegisterAsync(new PortClaimRequest("/bricks/brick-000000", 1025));

        client.LookUp(Address, isPinned: false, bricks: 1, Calls, outstanding: 256); // everything is compiled and every buffer has its size
        long before = GC.GetTotalAllocatedBytes(precise: true);
        client.LookUp(Address, isPinned: false, bricks: 1, Calls, outstanding: 256);
        return (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Calls; // starting the client is in it
    }
}
