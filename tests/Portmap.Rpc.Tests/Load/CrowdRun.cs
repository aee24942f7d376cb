using System.Diagnostics;
using System.Net.Sockets;

namespace Portmap.Rpc.Tests.Load;

/// <summary>Many connections open at once, each of which is served while all are open.</summary>
internal static class CrowdRun
{
    private const int AtOnce = 100;

    public static async Task<LoadReport> RunAsync(LoadTarget server, int count)
    {
        await ServeAsync(await OpenAsync(AtOnce)); // what is loaded at the first use is no leak
        Vitals before = await server.RestAsync();
        long start = Stopwatch.GetTimestamp();
        List<NetworkStream> open = await OpenAsync(count);
        int served = await ServeAsync(open, dispose: false);
        Vitals most = await server.AskAsync();
        foreach (NetworkStream stream in open)
        {
            await stream.DisposeAsync();
        }

        return new LoadReport(before, most, await server.SettleAsync(before), served, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static async Task<List<NetworkStream>> OpenAsync(int count)
    {
        List<NetworkStream> open = [];
        for (int i = 0; i < count; i++)
        {
            PortmapEndpoint endpoint = PortmapEndpoint.Parse(LoadServer.Tcp(i));
            Socket socket = new(endpoint.Family, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(endpoint.EndPoint).Within();
            open.Add(new NetworkStream(socket, ownsSocket: true));
        }

        return open;
    }

    private static async Task<int> ServeAsync(List<NetworkStream> open, bool dispose = true)
    {
        int served = 0;
        byte[] expected = Wire.Success(7, Wire.Words(0xffff_ffff, 0, 0, 0));
        await Parallel.ForEachAsync(open, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (stream, _) =>
        {
            byte[] answer = await stream.ExchangeAsync(Wire.Call(7, Wire.Gluster, 1, Wire.Text("nobody")));
            answer.Should().Equal(expected);
            Interlocked.Increment(ref served);
            if (dispose)
            {
                await stream.DisposeAsync();
            }
        });
        return served;
    }
}
