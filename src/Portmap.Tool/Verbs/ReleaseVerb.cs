using System.CommandLine;
using Portmap.Rpc;
using Portmap.Tool.Output;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap release OWNER</c>: gives the port of an owner back in its place.</summary>
/// <remarks>
/// It releases the claim that it has seen, by its epoch: one that came meanwhile stays.
/// </remarks>
internal static class ReleaseVerb
{
    public static Command Make()
    {
        Argument<string> owner = Owners.MakeArgument();
        Option<PortProtocol?> protocol = CommonOptions.MakeProtocol();
        Option<bool> force = new("--force", "-f") { Description = "Also when a process serves it, which lookups then lose." };
        return new Command("release", "Gives the port of an owner back. One that a process serves needs --force.") { owner, protocol, force }
            .Does((run, cancellationToken) => RunAsync(run, run.Get(owner), run.Get(protocol) ?? PortProtocol.Tcp, run.Get(force), cancellationToken));
    }

    private static async Task<int> RunAsync(Invocation run, string owner, PortProtocol protocol, bool force, CancellationToken cancellationToken)
    {
        await using PortmapClient client = await run.ConnectAsync(cancellationToken);
        PortSnapshot snapshot = await run.WaitAsync(client.SnapshotAsync(cancellationToken), "the list");
        PortEntry[] entries =
        [
            .. snapshot.Entries.Where(entry => entry.Owner == owner && entry.State is PortState.Bound or PortState.Reserved or PortState.Recovered
                && (entry.Protocol == protocol || entry.Protocol == PortProtocol.TcpAndUdp)),
        ];
        if (entries.Length == 0)
        {
            Invocation.Complain($"{Words.Quoted(owner)} holds no {Words.Of(protocol)} port at {client.Endpoint}.");
            return ExitCode.Nothing;
        }

        bool isHere = await run.SeesProcessesOfAsync(client, cancellationToken);
        PortEntry[] served = [.. entries.Where(IsServed)];
        if (served.Length != 0 && !force)
        {
            Invocation.Complain($"Not released: {string.Join("; ", served.Select(entry => Describe(entry, isHere)))}. The process goes on listening, but nobody finds it any more. To release it all the same: --force");
            return ExitCode.Refused;
        }

        foreach (PortEntry entry in entries)
        {
            PortClaimRequest claim = new(owner) { Epoch = entry.Epoch, Protocol = entry.Protocol, Port = entry.Epoch is null && entry.Port != 0 ? entry.Port : null };
            await run.WaitAsync(ReleaseAsync(client, claim, cancellationToken), "the release");
            Tell(run, entry, isHere);
        }

        return ExitCode.Done;
    }

    private static async Task<bool> ReleaseAsync(PortmapClient client, PortClaimRequest claim, CancellationToken cancellationToken)
    {
        await client.ReleaseAsync(claim, cancellationToken);
        return true;
    }

    private static void Tell(Invocation run, PortEntry entry, bool isHere)
    {
        if (!run.Json)
        {
            run.Out.WriteLine($"Released {Describe(entry, isHere)}.");
            return;
        }

        Lines.Write(run.Out, json =>
        {
            json.WriteBoolean("released", true);
            json.WriteStartObject("entry");
            Lines.Fields(json, entry);
            json.WriteEndObject();
        });
    }

    /// <summary>The daemon looks at each process itself and ends what is dead. Whether we see it here
    /// says nothing: it may be of another host or pid namespace.</summary>
    private static bool IsServed(PortEntry entry) => entry.State is PortState.Bound or PortState.Recovered;

    private static string Describe(PortEntry entry, bool isHere) =>
        Words.Text($"{Words.Of(Words.Cut(entry.Owner))} on {Words.Place(entry)}, {Words.Of(entry.State)} since {entry.Since:yyyy-MM-dd HH:mm:ss'Z'}, process {Words.Process(entry.ProcessId, isHere)}");
}
