using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portmap;
using Portmap.Rpc;

namespace Consumer;

/// <summary>Starts one worker under each strategy, asks it who it is through the looked-up port,
/// and sees it sign out while it lives.</summary>
internal static class Daemon
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    public static async Task<int> RunAsync(string endpoint, string ports, string address)
    {
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = ports, Endpoint = endpoint });
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { endpoint } });
        await server.StartAsync();
        foreach (string strategy in (string[])["AllocatorPicks", "ProcessBinds"])
        {
            await RunWorkerAsync(registry, new PortRequest("vol0:/bricks/" + strategy) { Strategy = strategy }, address);
        }

        return 0;
    }

    private static async Task RunWorkerAsync(PortRegistry registry, PortRequest request, string address)
    {
        PortLease lease = await registry.AcquireAsync(request);
        Console.WriteLine($"acquired {lease.Owner}");

        ProcessStartInfo start = new(Environment.ProcessPath!, ["worker", address]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        lease.PrepareStart(start);
        using Process worker = Process.Start(start)!;
        PortEntry entry = await lease.WhenBound.WaitAsync(s_limit);
        Console.WriteLine($"bound {entry.Owner} by the worker: {entry.ProcessId == worker.Id}");

        bool found = registry.TryGetPort(request.Owner, out int port);
        Console.WriteLine($"looked up: {found && port == entry.Port}");
        Console.WriteLine($"answer: {await AskAsync(address, port)}");

        // The worker says when it has signed out, and lives on until its input closes: what ended
        // the entry is the sign-out, not its death.
        string? said = await worker.StandardOutput.ReadLineAsync().WaitAsync(s_limit);
        Console.WriteLine($"{said}, still listed: {registry.TryGetPort(request.Owner, out _)}");
        worker.StandardInput.Close();
        await worker.WaitForExitAsync().WaitAsync(s_limit);
        Console.WriteLine($"exit code {worker.ExitCode}");
    }

    private static async Task<string?> AskAsync(string address, int port)
    {
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Parse(address), port).WaitAsync(s_limit);
        using StreamReader reader = new(client.GetStream());
        return await reader.ReadLineAsync().WaitAsync(s_limit);
    }
}
