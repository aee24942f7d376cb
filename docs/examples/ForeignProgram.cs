using System.Diagnostics;
using System.Globalization;
using Portmap;

namespace Examples;

/// <summary>A program that knows nothing of Portmap.</summary>
public static class ForeignProgram
{
    public static async Task<PortEntry> StartAsync(PortRegistry registry, string folder)
    {
        PortLease lease = await registry.AcquireAsync(new PortRequest("files") { Strategy = PortRegistryOptions.AllocatorPicks });
        ProcessStartInfo start = new("python3", ["-m", "http.server", lease.Port.ToString(CultureInfo.InvariantCulture)])
        {
            WorkingDirectory = folder,
        };
        lease.PrepareStart(start);                                            // opens the gate for the program
        return await lease.RegisterAsync(Process.Start(start)!);              // completes when it listens
    }
}
