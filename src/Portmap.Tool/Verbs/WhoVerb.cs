using System.CommandLine;
using Portmap.Rpc;
using Portmap.Tool.Host;
using Portmap.Tool.Output;
using Portmap.Tool.Parsing;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap who PORT</c>: whose it is, by the kernel and by the daemon.</summary>
internal static class WhoVerb
{
    public static Command Make()
    {
        Argument<int> port = Values.MakeNumber("PORT", "The number of the port, 1 to 65535.", "a port", 1, 65_535);
        return new Command("who", "Shows which processes have a port, by the kernel's list, and what the daemon knows of it. Works without a daemon.") { port }
            .Does((run, cancellationToken) => RunAsync(run, run.Get(port), cancellationToken));
    }

    private static async Task<int> RunAsync(Invocation run, int port, CancellationToken cancellationToken)
    {
        IReadOnlyList<PortHolder>? holders = PortHolder.Of(port);
        IReadOnlyList<PortEntry> entries = await EntriesAsync(run, port, cancellationToken);
        if (holders is null)
        {
            Invocation.Complain("The kernel's list of sockets cannot be had here; only the daemon is asked.");
        }

        if (run.Json)
        {
            WriteJson(run, port, holders ?? [], entries);
        }
        else
        {
            Write(run, holders ?? [], entries);
        }

        if (entries.Count != 0 || holders is [_, ..])
        {
            return ExitCode.Done;
        }

        Invocation.Complain(holders is null ? Words.Text($"Whether anybody has port {port} cannot be told here.") : Words.Text($"Nobody has port {port}."));
        return holders is null ? ExitCode.Unreachable : ExitCode.Nothing;
    }

    private static async Task<IReadOnlyList<PortEntry>> EntriesAsync(Invocation run, int port, CancellationToken cancellationToken)
    {
        try
        {
            await using PortmapClient client = await run.ConnectAsync(cancellationToken);
            PortEntry? tcp = await client.GetEntryAsync(port, PortProtocol.Tcp, cancellationToken);
            PortEntry? udp = await client.GetEntryAsync(port, PortProtocol.Udp, cancellationToken);
            return [.. new[] { tcp, udp }.OfType<PortEntry>()];
        }
        catch (Exception exception) when (NoAnswer.Is(exception))
        {
            Invocation.Complain($"Only the kernel is asked. {NoAnswer.Message(exception)}");
            return [];
        }
    }

    private static void Write(Invocation run, IReadOnlyList<PortHolder> holders, IReadOnlyList<PortEntry> entries)
    {
        if (holders.Count != 0)
        {
            TextTable table = Tables.Make("PROTOCOL", "ADDRESS", "SOCKET", "PID", "COMMAND", "UID");
            foreach (PortHolder holder in holders)
            {
                Tables.Add(table, Words.Of(holder.Protocol), holder.Address, holder.Listens ? "listens" : "bound", Words.Of(holder.ProcessId), Words.Of(holder.Command), Words.Text($"{holder.UserId}"));
            }

            run.Write(table);
        }

        if (entries.Count != 0)
        {
            run.Out.WriteLine(holders.Count == 0 ? "The daemon says:" : $"{Environment.NewLine}The daemon says:");
            ListVerb.Show(run, entries);
        }
    }

    private static void WriteJson(Invocation run, int port, IReadOnlyList<PortHolder> holders, IReadOnlyList<PortEntry> entries)
    {
        foreach (PortHolder holder in holders)
        {
            Lines.Write(run.Out, json =>
            {
                json.WriteString("source", "kernel");
                json.WriteNumber("port", port);
                json.WriteString("protocol", Words.Of(holder.Protocol));
                json.WriteString("address", holder.Address);
                json.WriteBoolean("listens", holder.Listens);
                Lines.Number(json, "pid", holder.ProcessId);
                json.WriteString("command", holder.Command);
                json.WriteNumber("uid", holder.UserId);
            });
        }

        foreach (PortEntry entry in entries)
        {
            Lines.Write(run.Out, json =>
            {
                json.WriteString("source", "daemon");
                Lines.Fields(json, entry);
            });
        }
    }
}
