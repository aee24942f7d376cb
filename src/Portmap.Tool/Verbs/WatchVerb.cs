using System.CommandLine;
using Portmap.Rpc;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap watch</c>: the map, and then each change of it, until Ctrl+C.</summary>
internal static class WatchVerb
{
    public static Command Make()
    {
        Option<long?> after = Values.MakeNumber(
            "--after", "REVISION", "Begin with the change after this revision, as a line of --json told it.", "a revision", 0, long.MaxValue);
        return new Command("watch", "Follows the map: first all of it, then each change, until Ctrl+C.") { after }
            .Does((run, cancellationToken) => RunAsync(run, run.Get(after), cancellationToken));
    }

    private static async Task<int> RunAsync(Invocation run, long? after, CancellationToken cancellationToken)
    {
        await using PortmapClient client = await run.ConnectAsync(cancellationToken);
        bool isHere = !run.Json && await run.SeesProcessesOfAsync(client, cancellationToken);
        DaemonPresence presence = new(run, client);
        return await Following.RunAsync(
            run,
            end => client.WatchAsync(after, cancellationToken: end),
            (update, isLater) => Write(run, update, presence, isHere, isAgain: isLater || after is not null),
            presence.TellAsync,
            cancellationToken);
    }

    private static void Write(Invocation run, PortUpdate update, DaemonPresence presence, bool isHere, bool isAgain)
    {
        if (update.Snapshot is { } snapshot)
        {
            presence.TellBack();
            Following.TellSnapshot(run, snapshot.Revision, snapshot.Entries.Length, isAgain);
            foreach (PortEntry entry in snapshot.Entries)
            {
                WriteOne(run, snapshot.Revision, "present", entry, isHere);
            }
        }

        foreach (PortChange change in update.Changes)
        {
            WriteOne(run, change.Revision, Words.Of(change.Kind), change.Entry, isHere);
        }
    }

    private static void WriteOne(Invocation run, long revision, string what, PortEntry entry, bool isHere)
    {
        if (!run.Json)
        {
            string process = entry.ProcessId is null ? string.Empty : $" pid {Words.Process(entry.ProcessId, isHere)}";
            run.Out.WriteLine(Words.Text($"{run.Now.ToLocalTime():HH:mm:ss.fff} {what,-17} {Words.Place(entry),-10} {Words.Of(entry.State),-9} {Words.Of(entry.Owner)}{process}"));
            return;
        }

        Following.TellEntry(run, revision, what, json => Lines.Fields(json, entry));
    }
}
