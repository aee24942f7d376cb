using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portmap;
using Portmap.Etcd;

namespace Fleet;

/// <summary>A daemon of the fleet: it serves one owner on a port the kernel picks, and takes orders
/// on its standard input.</summary>
/// <remarks>Orders: <c>find OWNER</c> looks it up and calls it; <c>claim OWNER</c> acquires it once
/// in the fleet; <c>held</c> tells whether this host has it still.</remarks>
internal static class Daemon
{
    public const string Command = "daemon";

    public static async Task<int> RunAsync(string name, string address, string endpoints)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.AddConsole(options => options.LogToStandardErrorThreshold = LogLevel.Error).SetMinimumLevel(LogLevel.Error);
        builder.Services.AddPortmap(options => options.Ports = "1024-65535");
        builder.Services.AddPortmapFleet(options =>
        {
            (options.Host, options.Address, options.Endpoints) = (name, address, endpoints);
            options.LeaseTtl = TimeSpan.FromSeconds(2);
        });
        using IHost host = builder.Build();
        await host.StartAsync();

        using Socket listener = new(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Parse(address), 0));
        listener.Listen();
        PortRegistry registry = host.Services.GetRequiredService<PortRegistry>();
        PortSession session = registry.OpenSession(Environment.ProcessId);
        PortEntry entry = await session.RegisterAsync(new PortClaimRequest($"web/{name}", ((IPEndPoint)listener.LocalEndPoint!).Port));
        _ = GreetAsync(listener, $"this is web/{name}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"serves {entry.Owner} on {address}:{entry.Port}"));

        FleetMap map = host.Services.GetRequiredService<FleetMap>();
        PortLease? lease = null;
        while (Console.ReadLine() is { } order)
        {
            switch (order.Split(' '))
            {
                case ["find", string owner]:
                    Console.WriteLine(map.TryFind(owner, out FleetEntry? found) ? await CallAsync(found) : "nobody serves it");
                    break;
                case ["claim", string owner]:
                    try
                    {
                        lease = await registry.AcquireAsync(new PortRequest(owner) { Scope = PortScope.Fleet });
                        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"holds {owner} by epoch {lease.FleetEpoch}"));
                    }
                    catch (PortRefusedException refused)
                    {
                        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"refused: {refused.Refusal.Holder} holds it by epoch {refused.Refusal.HolderEpoch}"));
                    }

                    break;
                case ["status"]:
                    Console.WriteLine($"{host.Services.GetRequiredService<PortmapFleet>().Status}, {map.Count} entries, {map.Staleness} old");
                    break;
                case ["held"]:
                    Console.WriteLine(lease is not null && registry.TryGetEntry(lease.Owner, out PortEntry _) ? "held" : "lost");
                    break;
            }
        }

        await host.StopAsync();
        return 0;
    }

    private static async Task GreetAsync(Socket listener, string greeting)
    {
        while (true)
        {
            using NetworkStream stream = new(await listener.AcceptAsync(), ownsSocket: true);
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(greeting));
        }
    }

    private static async Task<string> CallAsync(FleetEntry entry)
    {
        try
        {
            using TcpClient client = new(AddressFamily.InterNetwork);
            await client.ConnectAsync(IPAddress.Parse(entry.Address), entry.Port).WaitAsync(TimeSpan.FromSeconds(1));
            using StreamReader reader = new(client.GetStream());
            string answer = await reader.ReadToEndAsync();
            return string.Create(CultureInfo.InvariantCulture, $"{entry.Address}:{entry.Port} answers \"{answer}\"");
        }
        catch (Exception exception) when (exception is SocketException or IOException or TimeoutException)
        {
            return $"{entry}: {exception.Message}";   // it died, and its lease is not over yet
        }
    }
}
