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

    public static async Task AdoptAsync(PortRegistry registry, IEnumerable<string> owners)
    {
        foreach (PortEntry entry in registry.Snapshot().Entries)
        {
            if (entry.State == PortState.Recovered && owners.Contains(entry.Owner))   // it runs since before the restart
            {
                PortSession session = registry.OpenSession(entry.ProcessId);          // speaks for the program until it ends
                await session.RegisterAsync(new PortClaimRequest(entry.Owner, entry.Port) { Protocol = entry.Protocol });
            }
        }
    }
}
