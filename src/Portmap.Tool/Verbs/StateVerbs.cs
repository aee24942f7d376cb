using System.CommandLine;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;
using Portmap.Tool.State;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap state check|show FILE</c>: a state file without its daemon.</summary>
internal static class StateVerbs
{
    public static Command Make() => new("state", "Looks at a state file. It is only read, and a daemon may be writing it.") { MakeCheck(), MakeShow() };

    private static Command MakeCheck()
    {
        Argument<string> file = MakeFile();
        return new Command("check", "Says whether all of it can be read.") { file }.Does((run, cancellationToken) => CheckAsync(run, run.Get(file), cancellationToken));
    }

    private static Command MakeShow()
    {
        Argument<string> file = MakeFile();
        return new Command("show", "Lists what a daemon that starts on this host now would read in it.") { file }.Does((run, cancellationToken) => ShowAsync(run, run.Get(file), cancellationToken));
    }

    private static Argument<string> MakeFile() => new Argument<string>("FILE") { Description = "The file portmap.state, or its folder." }.ThatIsAPath();

    private static async Task<int> CheckAsync(Invocation run, string file, CancellationToken cancellationToken)
    {
        int entries = 0;
        IReadOnlyList<string> complaints;
        try
        {
            await using StateCopy state = await run.WaitAsync(StateCopy.OpenAsync(file, cancellationToken), "the state");
            (entries, complaints) = (state.Snapshot.Entries.Length, state.Unreadable);
        }
        catch (PortRefusedException exception) when (exception.Refusal.Reason is PortRefusalReason.StateUnreadable)
        {
            complaints = [exception.Message];
        }

        if (run.Json)
        {
            Lines.Write(run.Out, json =>
            {
                json.WriteString("file", Path.GetFullPath(file));
                json.WriteBoolean("sound", complaints.Count == 0);
                json.WriteNumber("entries", entries);
                json.WriteStartArray("unreadable");
                foreach (string complaint in complaints)
                {
                    json.WriteStringValue(complaint);
                }

                json.WriteEndArray();
            });
        }
        else
        {
            foreach (string complaint in complaints)
            {
                await run.Out.WriteLineAsync(Words.Of(complaint));
            }

            await run.Out.WriteLineAsync(Words.Text($"{Words.Of(file)}: {(complaints.Count == 0 ? "sound" : "DAMAGED")}, {entries} entries can be read."));
        }

        return complaints.Count == 0 ? ExitCode.Done : ExitCode.Findings;
    }

    private static async Task<int> ShowAsync(Invocation run, string file, CancellationToken cancellationToken)
    {
        try
        {
            await using StateCopy state = await run.WaitAsync(StateCopy.OpenAsync(file, cancellationToken), "the state");
            ListVerb.Show(run, state.Snapshot.Entries);
            return Complain(state.Unreadable);
        }
        catch (PortRefusedException exception) when (exception.Refusal.Reason is PortRefusalReason.StateUnreadable)
        {
            return Complain([exception.Message]);
        }
    }

    private static int Complain(IReadOnlyList<string> complaints)
    {
        foreach (string complaint in complaints)
        {
            Invocation.Complain(complaint);
        }

        return complaints is [] ? ExitCode.Done : ExitCode.Findings;
    }
}
