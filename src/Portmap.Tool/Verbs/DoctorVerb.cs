using System.CommandLine;
using System.Net.Sockets;
using Microsoft.Extensions.Options;
using Portmap.Rpc;
using Portmap.Tool.Examining;
using Portmap.Tool.Host;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;
using Portmap.Tool.State;
using Spectre.Console;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap doctor</c>: everything that can be wrong, looked at from outside.</summary>
internal static class DoctorVerb
{
    private const string Daemon = "daemon", Range = "range";

    private static readonly string s_unreadable = Words.Of(PortFindingKind.StateUnreadable);

    public static Command Make()
    {
        Option<IReadOnlyList<PortRange>?> ranges = CommonOptions.MakeRange("The daemon's Ports (default: the library's, 49152-65535).");
        Option<string?> exclude = new("--exclude") { HelpName = "PORTS", Description = "The daemon's Exclude." };
        Option<long?> owners = Values.MakeNumber(
            "--owners", "COUNT", "How many owners are meant to live at once: the daemon's MaxOwners.", "a count of owners (MaxOwners)", 1, 1_048_576);
        Option<long?> guards = Values.MakeNumber("--guards", "COUNT", "The daemon's MaxGuards.", "a count of guards (MaxGuards)", 0, 131_072);
        Option<string?> state = new Option<string?>("--state") { HelpName = "FOLDER", Description = "The daemon's StateFolder; its file is read." }.ThatIsAPath();
        return new Command("doctor", "Looks at the daemon, its entries, this host and a state, and says what is wrong and what to do. Also before a daemon is installed.") { ranges, exclude, owners, guards, state }
            .Does(async (run, cancellationToken) =>
            {
                PortRegistryOptions options = new();
                options.Ports = run.Get(ranges) is { } given ? string.Join(',', given) : options.Ports;
                options.Exclude = run.Get(exclude) ?? options.Exclude;
                options.MaxOwners = (int?)run.Get(owners) ?? options.MaxOwners;
                options.MaxGuards = (int?)run.Get(guards) ?? options.MaxGuards;
                Check range = new(Range, CheckResult.Ok, $"{options.Ports} ({(run.Get(ranges) is null ? "the default; give --range if the daemon has another" : "as given")})");
                try
                {
                    return await RunAsync(run, options, range, run.Get(state), cancellationToken);
                }
                catch (OptionsValidationException exception)
                {
                    Invocation.Complain(Words.WithCut(exception.Message, run.Get(exclude)));
                    return ExitCode.Misuse;
                }
            });
    }

    private static async Task<int> RunAsync(Invocation run, PortRegistryOptions options, Check range, string? state, CancellationToken cancellationToken)
    {
        (Check daemon, IReadOnlyList<PortEntry>? entries, bool isHere) = await AskAsync(run, cancellationToken);
        List<Check> checks = [daemon, range];
        checks.AddRange(entries is null ? [] : MapChecks.Find(entries, isHere));
        checks.AddRange(await HostChecks.FindAsync(options, entries, isHere, cancellationToken));
        checks.AddRange(await OfStateAsync(run, state, cancellationToken));
        Write(run, checks);
        return checks.Any(check => check.Result == CheckResult.Found) ? ExitCode.Findings : ExitCode.Done;
    }

    private static async Task<(Check Daemon, IReadOnlyList<PortEntry>? Entries, bool IsHere)> AskAsync(Invocation run, CancellationToken cancellationToken)
    {
        try
        {
            await using PortmapClient client = await run.ConnectAsync(cancellationToken);
            PortSnapshot snapshot = await run.WaitAsync(client.SnapshotAsync(cancellationToken), "the list");
            bool isHere = await run.SeesProcessesOfAsync(client, cancellationToken);
            Check daemon = isHere
                ? new Check(Daemon, CheckResult.Ok, Words.Text($"{client.Endpoint} answers and knows {snapshot.Entries.Length} entries"))
                : Check.Unknown(Daemon, $"{client.Endpoint} answers, but its processes are not looked at: over TCP, or from another pid namespace, they may be others than ours");
            return (daemon, snapshot.Entries, isHere);
        }
        catch (PortRefusedException exception)
        {
            return (new Check(Daemon, CheckResult.Found, exception.Message, "the daemon lists its entries", "See above."), null, false);
        }
        catch (Exception exception) when (NoAnswer.Is(exception))
        {
            // Nobody said that there is one, and no socket shows that there was: then it may be
            // installed later.
            bool isMissing = exception is PortmapUnreachableException { InnerException: SocketException } unreachable
                && !File.Exists(HostProcesses.SocketOf(unreachable.Endpoint)) && !run.NamesEndpoint;
            Check daemon = isMissing
                ? Check.Unknown(Daemon, exception.Message)
                : new Check(Daemon, CheckResult.Found, NoAnswer.Message(exception), "a daemon of this version answers in time", "See above.");
            return (daemon, null, false);
        }
    }

    private static async Task<IReadOnlyList<Check>> OfStateAsync(Invocation run, string? folder, CancellationToken cancellationToken)
    {
        if (folder is null)
        {
            return [Check.Unknown(s_unreadable, "the wire does not tell where the state is; name it with --state")];
        }

        const string Expected = "all of the state can be read", Remedy = "What is damaged was, or will be, kept aside by the daemon: portmap kept FOLDER",
            RemedyOfNone = "Name the folder that is the daemon's StateFolder.";
        try
        {
            await using StateCopy state = await run.WaitAsync(StateCopy.OpenAsync(folder, cancellationToken), "the state");
            return state.Unreadable.Count == 0
                ? [new Check(s_unreadable, CheckResult.Ok)]
                : [.. state.Unreadable.Select(complaint => new Check(s_unreadable, CheckResult.Found, complaint, Expected, Remedy))];
        }
        catch (CopyFailedException exception)
        {
            return [Check.Unknown(s_unreadable, exception.Message)];
        }
        catch (UnauthorizedAccessException exception)
        {
            return [Check.Unknown(s_unreadable, $"{exception.Message} Ask as the daemon's user.")];
        }
        catch (FileFailedException exception)
        {
            return [new Check(s_unreadable, CheckResult.Found, exception.Message, Expected, RemedyOfNone)];
        }
        catch (PortRefusedException exception)
        {
            return [new Check(s_unreadable, CheckResult.Found, exception.Message, Expected, Remedy)];
        }
    }

    private static void Write(Invocation run, List<Check> checks)
    {
        foreach (Check check in checks)
        {
            if (run.Json)
            {
                Lines.Write(run.Out, json =>
                {
                    json.WriteString("check", check.Name);
                    json.WriteString("result", Words.Of(check.Result));
                    json.WriteString("value", check.Value);
                    json.WriteString("expected", check.Expected);
                    json.WriteString("remedy", check.Remedy);
                });
                continue;
            }

            Grid grid = new Grid().AddColumn(new GridColumn().Width(8).NoWrap()).AddColumn();
            grid.AddRow(
                new Text(check.Result switch { CheckResult.Ok => "ok", CheckResult.Found => "FOUND", CheckResult.Note => "note", CheckResult.Unknown => "unknown" }, new Style(Colour(check.Result))),
                new Text(check.Value.Length == 0 ? check.Name : $"{check.Name}: {Words.Of(check.Value)}"));
            if (check.Result is CheckResult.Found or CheckResult.Note)
            {
                grid.AddRow(new Text(string.Empty), new Text($"{(check.IsCollision ? "now" : "expected")}: {Words.Of(check.Expected)}"));
                grid.AddRow(new Text(string.Empty), new Text($"{(check.Result == CheckResult.Found ? "remedy" : "to be rid of it")}: {Words.Of(check.Remedy)}"));
            }

            run.Screen.Write(grid);
        }
    }

    private static Color Colour(CheckResult result) => result switch
    {
        CheckResult.Ok => Color.Green,
        CheckResult.Note => Color.Blue,
        CheckResult.Found => Color.Red,
        CheckResult.Unknown => Color.Yellow,
    };
}
