using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Portmap.Rpc.Tests.Load;

/// <summary>Connects and vanishes, over and over again.</summary>
internal static class VanishRun
{
    private const int WarmUp = 2_000;
    private const int Threads = 2;
    private const int Ways = 6;
    private const int Owners = 500;
    private const int Told = 5_000;

    public static async Task<LoadReport> RunAsync(LoadTarget server, int count, VanishKind kind)
    {
        PortmapEndpoint unix = PortmapEndpoint.Parse(LoadServer.Unix(server.Folder));
        PortmapEndpoint[] tcp = [.. Enumerable.Range(0, LoadServer.Addresses).Select(i => PortmapEndpoint.Parse(LoadServer.Tcp(i)))];
        await ManyAsync(WarmUp, i => Vanish(i, unix, tcp));
        Vitals before = await server.RestAsync();
        long start = Stopwatch.GetTimestamp();
        await ManyAsync(count, kind == VanishKind.Honest ? i => Vanish(i, unix, tcp) : _ => Leak(unix));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new LoadReport(before, before, await (kind == VanishKind.Honest ? server.SettleAsync(before) : server.RestAsync()), count, seconds);
    }

    private static Task ManyAsync(int count, Action<int> once) => Task.WhenAll(Enumerable.Range(0, Threads).Select(first => Task.Factory.StartNew(
        () =>
        {
            for (int i = first; i < count; i += Threads)
            {
                once(i);
                if (i % Told == 0)
                {
                    Console.Out.WriteLine($"{i} so far");   // else a long run would be taken for one that hangs
                }
            }
        },
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default)));

    private static void Vanish(int i, PortmapEndpoint unix, PortmapEndpoint[] tcp)
    {
        int way = i % Ways;
        using Socket socket = LoadTarget.Connect(way < 4 ? tcp[i / Ways % tcp.Length] : unix);
        switch (way)
        {
            case 1:
                socket.Send(Wire.Call(7, Wire.Gluster, 0).AsSpan(0, 20));
                break;
            case 2:
                socket.Send(Wire.Call(7, Wire.Gluster, 1, Wire.Text("nobody")));
                break;
            case 3:
                socket.Send(Wire.Call(7, Wire.Gluster, 1, Wire.Text("nobody")));
                socket.LingerState = new LingerOption(true, 0); // a reset
                break;
            case 5:
                string brick = string.Create(CultureInfo.InvariantCulture, $"/bricks/b{i % Owners}");
                socket.Send(Wire.Call(7, Wire.Gluster, 4, [.. Wire.Text(brick), .. Wire.Words(49200, (uint)Environment.ProcessId)]));
                break;
        }
    }

    private static void Leak(PortmapEndpoint unix)
    {
        using Socket socket = LoadTarget.Connect(unix);
        socket.Send(Wire.Call(7, LeakingProgram.Id, 1));
    }
}
