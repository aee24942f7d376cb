using System.Diagnostics;
using System.Globalization;

namespace Portmap.Fleet;

/// <summary>A host that starts with many entries; beside the same keys put in the same batches by
/// etcd's client alone.</summary>
internal static class Publishing
{
    private const int Entries = 10_000;
    private const int Rounds = 5;
    private const int AtOnce = 4;   // as the publisher
    private const int Enough = 15_000;

    public static async Task MeasureAsync(Report report)
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        using Alone alone = new(etcd.Endpoints);
        List<double> ours = [], theirs = [];
        for (int round = -1; round < Rounds; round++)
        {
            string prefix = string.Create(CultureInfo.InvariantCulture, $"/round{round + 1}");
            long start = Stopwatch.GetTimestamp();
            long lease = (await alone.Client.GrantAsync(TimeSpan.FromMinutes(5), CancellationToken.None)).ID;
            await alone.PutAllAsync(prefix + "/alone", "a", Entries, AtOnce, lease);
            double theirRate = Entries / Stopwatch.GetElapsedTime(start).TotalSeconds;

            await using Member member = new("a", etcd.Endpoints, isPublishing: true, prefix);
            for (int i = 0; i < Entries; i++)
            {
                member.Register(Member.Owner(i), 20_000 + (i % 10_000));
            }

            start = Stopwatch.GetTimestamp();
            member.Fleet.Start();
            await member.PublishedAsync();
            double ourRate = Entries / Stopwatch.GetElapsedTime(start).TotalSeconds;
            long found = await alone.CountAsync(prefix + "/e/a/vol");
            if (found != Entries)
            {
                throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"Etcd has {found} entries."));
            }

            if (round >= 0)
            {
                ours.Add(ourRate);
                theirs.Add(theirRate);
            }
        }

        double ratio = Report.Median(ours) / Report.Median(theirs);
        report.Add(
            "publish 10,000 entries of a host that starts: lease, name, comparison, entries", Report.Spread(theirs, "/s"), Report.Spread(ours, "/s"), ratio,
            "≥ 15,000/s or ≥ 0.8 ×", ratio >= 0.8 || Report.Median(ours) >= Enough);
    }
}
