using Portmap;

namespace Examples;

/// <summary>Ports that a firewall has to know.</summary>
public static class Firewalls
{
    public static PortRegistryOptions Options(string folder) => new()
    {
        Ports = "50000-50999",                              // what the firewall lets through
        Strategy = PortRegistryOptions.AllocatorPicks,
        Guard = PortGuardMode.WhileAlive,                   // the port stays the owner's while its worker restarts
        StateFolder = folder,                               // remembers the port over restarts of the daemon
    };

    public static async Task<PortLease> SamePortAsync(PortRegistry registry)
    {
        try
        {
            return await registry.AcquireAsync(new PortRequest("web") { Reuse = PortReuse.Require });
        }
        catch (PortRefusedException refused)
        {
            Console.Error.WriteLine(refused.Message);       // names the port, who holds it, and what to do
            throw;
        }
    }
}
