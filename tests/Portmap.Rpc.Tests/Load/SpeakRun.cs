using System.Net;
using System.Net.Sockets;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests.Load;

/// <summary>A daemon and a worker in one process, alone in their network: whose registration is it,
/// with an honest claim and with another process's?</summary>
internal static class SpeakRun
{
    public static async Task RunAsync()
    {
        await using PortRegistry registry = new(new PortRegistryOptions());
        PortmapServerOptions options = new() { Endpoints = { "tcp:127.0.0.1:24007", "tcp:[::1]:24007" } };
        await using PortmapServer server = new(registry, options);
        await server.StartAsync();
        foreach (string address in (string[])["127.0.0.1", "::1"])
        {
            foreach (int claimed in (int[])[Environment.ProcessId, 1])
            {
                using TcpClient client = new(IPAddress.Parse(address).AddressFamily);
                await client.ConnectAsync(IPAddress.Parse(address), 24_007);
                string owner = $"{address} {claimed}";
                await client.GetStream().ExchangeAsync(
                    Wire.Call(1, Wire.Portmap, PortmapProcedure.Register, [.. Wire.Text(owner), .. Wire.Words(49_201 + (uint)registry.Snapshot().Entries.Length, 0, 0, 0, (uint)claimed)]));
                string whose = !registry.TryGetEntry(owner, out PortEntry entry) ? "refused" : entry.ProcessId is null ? "unknown" : entry.ProcessId == Environment.ProcessId ? "own" : "another's";
                await Console.Out.WriteLineAsync($"{address} {whose}");
            }
        }
    }
}
