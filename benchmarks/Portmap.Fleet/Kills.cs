using System.Diagnostics;
using System.Globalization;

namespace Portmap.Fleet;

/// <summary>Etcd is killed under churn and started again; once the map is consistent every answer
/// is held against the registry.</summary>
internal static class Kills
{
    private const int Owners = 10_000;
    private const int Runs = 5;

    public static async Task MeasureAsync(Report report)
    {
        int wrong = 0, asked = 0;
        List<double> seconds = [];
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using Member publisher = new("a", etcd.Endpoints, isPublishing: true);
        await using Member looker = new("b", etcd.Endpoints, isPublishing: false);
        for (int i = 0; i < Owners; i++)
        {
            publisher.Register(Member.Owner(i), 20_000 + i);
        }

        publisher.Fleet.Start();
        looker.Fleet.Start();
        await looker.Fleet.Map.WhenListed;
        Random random = new(1);
        for (int run = 0; run < Runs; run++)
        {
            await publisher.PublishedAsync();
            using CancellationTokenSource stop = new();
            Task churn = Task.Run(() => ChurnAsync(publisher, random, stop.Token));
            await Task.Delay(TimeSpan.FromMilliseconds(500));
            await etcd.First.KillAsync();
            await Task.Delay(TimeSpan.FromSeconds(2));
            await etcd.First.StartAsync();
            long start = Stopwatch.GetTimestamp();
            await Task.Delay(TimeSpan.FromMilliseconds(500));
            await stop.CancelAsync();
            await churn;

            // A mark that is registered last shows that all before it has come.
            string mark = string.Create(CultureInfo.InvariantCulture, $"mark{run}");
            publisher.Register(mark, 20_000);
            while (!looker.Fleet.Map.TryFind(mark, out _) || !publisher.Fleet.Status.IsPublished)
            {
                await Task.Delay(1);
            }

            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            for (int i = 0; i < Owners; i++)
            {
                asked++;
                bool isServed = publisher.Registry!.TryGetEntry(Member.Owner(i), out PortEntry entry);
                bool isFound = looker.Fleet.Map.TryFind(Member.Owner(i), out FleetEntry? seen);
                wrong += isServed != isFound || (isFound && (seen!.Port != entry.Port || seen.Epoch != entry.Epoch)) ? 1 : 0;
            }
        }

        report.Add(
            "etcd `kill -9` for 2 s under churn, five times: missing, dead or wrong-epoch answers once it is consistent", "",
            string.Create(CultureInfo.InvariantCulture, $"{wrong} of {asked:N0}"), null, "0", wrong == 0);
        report.Tell("the same: etcd serves again → all that changed meanwhile is in the other host's map (churn goes on for 0.5 s of it)", "", Report.Spread(seconds, " s"));
    }

    private static async Task ChurnAsync(Member publisher, Random random, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            for (int i = 0; i < 5; i++)
            {
                string owner = Member.Owner(random.Next(Owners));
                if (random.Next(3) == 0)
                {
                    publisher.Release(owner);
                }
                else
                {
                    publisher.Register(owner, 20_000 + random.Next(10_000));
                }
            }

            await Task.Delay(1, CancellationToken.None);
        }
    }
}
