using System.Diagnostics;
using Portmap;
using Portmap.Rpc;

await using PortRegistry registry = new(new PortRegistryOptions());
await using PortmapServer server = new(registry);
await server.StartAsync();                                 // workers sign in at the default socket

PortLease lease = await registry.AcquireAsync("web");      // "web" is given to the worker that comes with this lease
ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "Worker"));
lease.PrepareStart(start);                                 // passes the lease on, by environment variables
using Process worker = Process.Start(start)!;
PortEntry entry = await lease.WhenBound;                   // the worker listens and has signed in
Console.WriteLine($"{entry.Owner} is served on port {entry.Port} by process {entry.ProcessId}");
await worker.WaitForExitAsync();
