using System.Diagnostics;
using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Fleet;

/// <summary>One change: from the registration on one host to the map of another; beside one put and
/// one watch of etcd alone.</summary>
internal static class Latency
{
    private const int Warm = 200;
    private const int Rounds = 2_000;

    public static async Task MeasureAsync(Report report)
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Member publisher = new("a", etcd.Endpoints, isPublishing: true);
        await using Member looker = new("b", etcd.Endpoints, isPublishing: false);
        publisher.Fleet.Start();
        looker.Fleet.Start();
        using Alone alone = new(etcd.Endpoints), watching = new(etcd.Endpoints);
        await using EtcdStream<WatchRequest, WatchResponse> stream = await watching.Client.OpenWatchAsync(CancellationToken.None);
        ByteString key = ByteString.CopyFromUtf8("/alone/key");
        await stream.WriteAsync(new WatchRequest { CreateRequest = new WatchCreateRequest { Key = key } }, Deadline.Default, CancellationToken.None);
        await stream.ReadAsync(CancellationToken.None);
        await looker.Fleet.Map.WhenListed;
        await publisher.PublishedAsync();
        await using IAsyncEnumerator<FleetUpdate> updates = looker.Fleet.Map.WatchAsync().GetAsyncEnumerator();
        await updates.MoveNextAsync();

        List<double> ours = [], theirs = [];
        for (int i = 0; i < Warm + Rounds; i++)
        {
            double one = await OursAsync(i), other = await TheirsAsync(i);
            if (i >= Warm)
            {
                ours.Add(one);
                theirs.Add(other);
            }
        }

        double ratio = Report.Median(ours) / Report.Median(theirs);
        report.Add("one change, register → another host's mirror, p50", Text(theirs, 0.5), Text(ours, 0.5), ratio, "≤ 3 ×", ratio <= 3);
        report.Tell("the same, p99", Text(theirs, 0.99), Text(ours, 0.99));

        async Task<double> OursAsync(int i)
        {
            long start = Stopwatch.GetTimestamp();
            publisher.Register("b1", 20_000 + (i % 10_000));
            while (!looker.Fleet.Map.TryFind("b1", out FleetEntry? entry) || entry.Port != 20_000 + (i % 10_000))
            {
                await updates.MoveNextAsync();
            }

            return Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        async Task<double> TheirsAsync(int i)
        {
            long start = Stopwatch.GetTimestamp();
            Task<WatchResponse> reading = stream.ReadAsync(CancellationToken.None);
            await Task.WhenAll(reading, alone.PutAsync(key, Alone.Value(i)));
            return Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }
    }

    private static string Text(List<double> figures, double part) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{figures.Order().ElementAt((int)(part * figures.Count)):N0} µs");
}
