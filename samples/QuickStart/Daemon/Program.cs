using System.Diagnostics;
using Portmap;
using Portmap.Rpc;

await using PortRegistry registry = await PortRegistry.OpenAsync(new() { StateFolder = Path.GetFullPath("state") });
await using PortmapServer server = new(registry);
await server.StartAsync();                                 // workers sign in at the default socket

PortLease lease = await registry.AcquireAsync("web");      // the port is reserved for the owner "web"
ProcessStartInfo start = new("./Worker");
lease.PrepareStart(start);                                 // hands the reservation to the worker
using Process worker = Process.Start(start)!;
PortEntry entry = await lease.WhenBound;                   // the worker listens and has signed in
Console.WriteLine($"{entry.Owner} is served on port {entry.Port} by process {entry.ProcessId}");
await worker.WaitForExitAsync();
