using System.CommandLine;
using Portmap.Etcd;
using Portmap.Tool.Output;

namespace Portmap.Tool.Verbs.Fleet;

/// <summary><c>portmap fleet watch</c>: the fleet's map, and then each change of it, until
/// Ctrl+C.</summary>
internal static class FleetWatchVerb
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    public static Command Make() =>
        new Command("watch", "Follows the fleet's map: first all of it, then each change, until Ctrl+C.").Does(RunAsync);

    private static async Task<int> RunAsync(Invocation run, CancellationToken cancellationToken)
    {
        await using PortmapFleet fleet = await FleetSource.OpenAsync(run, cancellationToken);
        return await Following.RunAsync(run, fleet.Map.WatchAsync, (update, isLater) => Write(run, update, isLater), end => TellTroubleAsync(fleet, run.Time, end), cancellationToken);
    }

    /// <summary>Etcd that is away makes no change: it is said beside the map.</summary>
    private static async Task TellTroubleAsync(PortmapFleet fleet, TimeProvider time, CancellationToken end)
    {
        string? told = null;
        while (!end.IsCancellationRequested)
        {
            string? trouble = fleet.Status.Trouble;
            if (trouble is null != told is null)
            {
                Invocation.Complain(trouble is null ? "The map is followed again." : $"The map stands still: {trouble}");
                told = trouble;
            }

            await Task.Delay(s_look, time, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static void Write(Invocation run, FleetUpdate update, bool isAgain)
    {
        if (update.Snapshot is { } snapshot)
        {
            Following.TellSnapshot(run, snapshot.Revision, snapshot.Entries.Length, isAgain);
            foreach (FleetEntry entry in snapshot.Entries)
            {
                WriteOne(run, snapshot.Revision, "present", entry);
            }
        }

        foreach (FleetChange change in update.Changes)
        {
            WriteOne(run, update.Revision, change.IsRemoval ? "went" : "came", change.Entry);
        }
    }

    private static void WriteOne(Invocation run, long revision, string what, FleetEntry entry)
    {
        if (!run.Json)
        {
            run.Out.WriteLine(Words.Text($"{run.Now.ToLocalTime():HH:mm:ss.fff} {what,-7} {FleetLines.Place(entry)}/{Words.Of(entry.Protocol)} {Words.Of(entry.Host)} {Words.Of(entry.Owner)}"));
            return;
        }

        Following.TellEntry(run, revision, what, json => FleetLines.Fields(json, entry));
    }
}
