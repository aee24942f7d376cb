using System.Diagnostics;
using Portmap;

namespace Examples;

/// <summary>A program that takes its socket from the daemon, as it would from systemd.</summary>
public static class PassedSocket
{
    public static async Task<PortEntry> StartAsync(PortRegistry registry, string script)
    {
        PortLease lease = await registry.AcquireAsync(new PortRequest("files") { Guard = PortGuardMode.PassSocket });   // the daemon listens
        ProcessStartInfo start = new("python3") { ArgumentList = { script } };
        lease.PrepareStart(start);
        Process program = lease.Start(start);            // with the socket as descriptor 3, and LISTEN_FDS
        return await lease.RegisterAsync(program);
    }
}
