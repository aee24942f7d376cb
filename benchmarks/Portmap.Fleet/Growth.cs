using System.Diagnostics;
using System.Globalization;

namespace Portmap.Fleet;

/// <summary>A large fleet: real etcd, simulated publishers (their keys and leases, put by one
/// process), real mirrors.</summary>
internal static class Growth
{
    private const int EntriesOfAHost = 1_000;
    private const int Mirrors = 10;
    private const int Puts = 10;

    public static async Task MeasureAsync(Report report, int[] hosts)
    {
        double first = 0;
        foreach (int count in hosts)
        {
            double listing = await MeasureAsync(report, count, first);
            first = first == 0 ? listing : first;
        }
    }

    /// <returns>How long the first listing took, an entry.</returns>
    private static async Task<double> MeasureAsync(Report report, int hosts, double smaller)
    {
        int entries = hosts * EntriesOfAHost;
        string what = string.Create(CultureInfo.InvariantCulture, $"{hosts:N0} hosts × {EntriesOfAHost:N0}");
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using Alone alone = new(etcd.Endpoints);
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(0, hosts, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) => await alone.SimulateHostAsync("/portmap/v1", i, EntriesOfAHost));
        double rate = entries / Stopwatch.GetElapsedTime(start).TotalSeconds;
        report.Tell($"{what}: put by the simulated publishers", string.Create(CultureInfo.InvariantCulture, $"{rate:N0}/s"), "");

        List<Member> mirrors = [];
        List<double> listings = [], alones = [], bytes = [];
        for (int i = 0; i < 3; i++)
        {
            start = Stopwatch.GetTimestamp();
            await alone.ListAsync("/portmap/v1");
            alones.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            long before = GC.GetTotalMemory(forceFullCollection: true);
            Member mirror = new("looker", etcd.Endpoints, isPublishing: false);
            start = Stopwatch.GetTimestamp();
            mirror.Fleet.Start();
            await mirror.Fleet.Map.WhenListed;
            listings.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            Check(mirror, entries);
            bytes.Add((double)(GC.GetTotalMemory(forceFullCollection: true) - before) / entries);
            mirrors.Add(mirror);
        }

        string listing = Report.Spread(listings, " s"), list = Report.Spread(alones, " s"), size = Report.Spread(bytes, " B");
        double each = Report.Median(listings) / entries;
        if (smaller == 0)
        {
            report.Add($"{what}: first listing of a mirror; alone: the same pages, read and dropped", list, listing, Report.Median(listings) / Report.Median(alones), "≤ 1 s", Report.Median(listings) <= 1);
        }
        else
        {
            report.Add($"{what}: first listing of a mirror; the ratio is that of an entry's part in it to the row with fewer hosts", list, listing, each / smaller, "≤ 1.5 × (linear)", each <= 1.5 * smaller);
        }

        report.Add($"{what}: memory of a mirror, an entry", "", size, null, "≤ 450 B", Report.Median(bytes) <= 450);

        start = Stopwatch.GetTimestamp();
        for (int i = mirrors.Count; i < Mirrors; i++)
        {
            mirrors.Add(new Member("looker", etcd.Endpoints, isPublishing: false));
        }

        Member[] late = [.. mirrors.Skip(3)];
        foreach (Member mirror in late)
        {
            mirror.Fleet.Start();
        }

        await Task.WhenAll(late.Select(mirror => mirror.Fleet.Map.WhenListed));
        report.Tell($"{what}: {late.Length} more mirrors at once", "", string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(start).TotalSeconds:0.00} s"));

        List<double> spread = [];
        for (int i = 0; i < Puts; i++)
        {
            Task[] seeing = await Task.WhenAll(mirrors.Select(mirror => SeeAsync(mirror, 30_000 + i)));
            start = Stopwatch.GetTimestamp();
            await alone.PutAsync("/portmap/v1", "host0000", 0, 30_000 + i);
            await Task.WhenAll(seeing);
            spread.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        report.Tell($"{what}: one put → in all {Mirrors} maps", "", Report.Spread(spread, " ms"));
        report.Tell($"{what}: resident memory of etcd", string.Create(CultureInfo.InvariantCulture, $"{ResidentMiB(etcd.First.ProcessId):N0} MiB"), "");
        await Task.WhenAll(mirrors.Select(mirror => mirror.DisposeAsync().AsTask()));
        return each;
    }

    /// <summary>Follows a map until an entry has the port; begun before the put, so that what it
    /// costs to begin is not measured.</summary>
    private static async Task<Task> SeeAsync(Member mirror, int port)
    {
        IAsyncEnumerator<FleetUpdate> updates = mirror.Fleet.Map.WatchAsync().GetAsyncEnumerator();
        await updates.MoveNextAsync();
        return FollowAsync();

        async Task FollowAsync()
        {
            await using (updates)
            {
                while (!mirror.Fleet.Map.TryFind(Alone.Owner("host0000", 0), out FleetEntry? entry) || entry.Port != port)
                {
                    await updates.MoveNextAsync();
                }
            }
        }
    }

    private static void Check(Member mirror, int entries)
    {
        if (mirror.Fleet.Map.Count != entries)
        {
            throw new InvalidOperationException($"The mirror has {mirror.Fleet.Map.Count} entries instead of {entries}.");
        }
    }

    private static long ResidentMiB(int processId)
    {
        using Process process = Process.GetProcessById(processId);
        return process.WorkingSet64 / (1024 * 1024);
    }
}
