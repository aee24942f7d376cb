using System.CommandLine;
using Portmap.Rpc;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap list</c>: everything the daemon knows.</summary>
internal static class ListVerb
{
    public static Command Make()
    {
        Option<string[]> states = new("--state", "-s")
        {
            HelpName = "STATE",
            Description = "Only entries in this state: bound, reserved, recovered, cooling or foreign; may be given more than once.",
        };
        states.TakeOnly("bound", "reserved", "recovered", "cooling", "foreign");
        return new Command("list", "Lists what is reserved, bound, recovered, cooling or foreign.") { states }
            .Does((run, cancellationToken) => RunAsync(run, run.Get(states) ?? [], cancellationToken));
    }

    private static async Task<int> RunAsync(Invocation run, string[] states, CancellationToken cancellationToken)
    {
        await using PortmapClient client = await run.ConnectAsync(cancellationToken);
        PortSnapshot snapshot = await run.WaitAsync(client.SnapshotAsync(cancellationToken), "the list");
        Show(run, [.. snapshot.Entries.Where(entry => states.Length == 0 || states.Contains(Words.Of(entry.State)))]);
        return ExitCode.Done;
    }

    /// <summary>Entries, the way that was asked for.</summary>
    public static void Show(Invocation run, IReadOnlyList<PortEntry> entries)
    {
        if (!run.Json)
        {
            run.Write(Tables.OfEntries(entries, run.Now));
            return;
        }

        foreach (PortEntry entry in entries)
        {
            Lines.Write(run.Out, json => Lines.Fields(json, entry));
        }
    }
}
