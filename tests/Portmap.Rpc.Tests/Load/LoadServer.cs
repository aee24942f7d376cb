using System.Globalization;

namespace Portmap.Rpc.Tests.Load;

/// <summary>A daemon for a crowd, on a Unix socket and on eight loopback addresses, which says how
/// it is.</summary>
internal static class LoadServer
{
    /// <summary>Fixed: it is the only one in its network.</summary>
    public const int Port = 24_007;

    /// <summary>Several, because each has its own 28,000 ports for those who connect to
    /// it.</summary>
    public const int Addresses = 8;

    private const int Connections = 6_000;

    public static async Task RunAsync(string folder)
    {
        await using PortRegistry registry = new(new PortRegistryOptions { DisconnectGrace = TimeSpan.FromMilliseconds(100) });
        PortmapServerOptions options = new() { Endpoints = { Unix(folder) }, MaxConnections = Connections, MaxConnectionsPerPeer = Connections, Programs = { new VitalsProgram(registry), new LeakingProgram() } };
        for (int i = 0; i < Addresses; i++)
        {
            options.Endpoints.Add(Tcp(i));
        }

        await using PortmapServer server = new(registry, options);
        await server.StartAsync();
        await Console.Out.WriteLineAsync("ready");
        await Console.In.ReadToEndAsync(); // ends with whoever started it
    }

    public static string Unix(string folder) => $"unix:{folder}/load.sock";

    public static string Tcp(int number) => string.Create(CultureInfo.InvariantCulture, $"tcp:127.0.0.{(number % Addresses) + 1}:{Port}");
}
