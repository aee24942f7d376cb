using System.CommandLine;
using System.Globalization;
using Portmap.Rpc;
using Portmap.Tool.Output;

namespace Portmap.Tool.Verbs;

/// <summary><c>portmap lookup OWNER</c>: what lookups answer for it.</summary>
internal static class LookupVerb
{
    public static Command Make()
    {
        Argument<string> owner = Owners.MakeArgument();
        Option<PortProtocol?> protocol = CommonOptions.MakeProtocol();
        Option<bool> quiet = new("--quiet", "-q") { Description = "Write the number of the port and nothing else." };
        return new Command("lookup", "Shows the port of an owner: where it is served, otherwise its open lease.") { owner, protocol, quiet }
            .Does((run, cancellationToken) => RunAsync(run, run.Get(owner), run.Get(protocol) ?? PortProtocol.Tcp, run.Get(quiet), cancellationToken));
    }

    private static async Task<int> RunAsync(Invocation run, string owner, PortProtocol protocol, bool quiet, CancellationToken cancellationToken)
    {
        await using PortmapClient client = await run.ConnectAsync(cancellationToken);
        PortEntry? found = await run.WaitAsync(client.GetEntryAsync(owner, protocol, cancellationToken), "the answer");
        if (found is not { } entry)
        {
            Invocation.Complain($"Nothing is served for {Words.Quoted(owner)} at {client.Endpoint}, and it has no open lease.");
            return ExitCode.Nothing;
        }

        if (quiet && !run.Json)
        {
            if (entry.Port == 0)
            {
                Invocation.Complain($"{Words.Quoted(owner)} has a lease and picks its port itself; it has none yet.");
                return ExitCode.Nothing;
            }

            await run.Out.WriteLineAsync(entry.Port.ToString(CultureInfo.InvariantCulture));
            return ExitCode.Done;
        }

        ListVerb.Show(run, [entry]);
        return ExitCode.Done;
    }
}
