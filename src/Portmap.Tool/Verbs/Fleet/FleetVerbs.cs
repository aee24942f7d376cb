using System.CommandLine;
using Portmap.Etcd;
using Portmap.Tool.Output;

namespace Portmap.Tool.Verbs.Fleet;

/// <summary><c>portmap fleet list|lookup|watch|hosts</c>: what all hosts of a fleet serve, as etcd
/// has it.</summary>
internal static class FleetVerbs
{
    public static Command Make() =>
        new Command("fleet", "Asks an etcd what all hosts of a fleet serve. It is only read.") { MakeList(), MakeLookup(), FleetWatchVerb.Make(), MakeHosts() }.WithFleet();

    private static Command MakeList()
    {
        Option<string?> host = new("--host") { HelpName = "HOST", Description = "Only what this host serves." };
        return new Command("list", "Lists what all hosts serve.") { host }
            .Does((run, cancellationToken) => ListAsync(run, run.Get(host), cancellationToken));
    }

    private static Command MakeLookup()
    {
        Argument<string> owner = Owners.MakeArgument(ListOwnersAsync);
        Option<PortProtocol?> protocol = CommonOptions.MakeProtocol();
        Option<bool> quiet = new("--quiet", "-q") { Description = "Write ADDRESS:PORT of the host that came last, and nothing else." };
        return new Command("lookup", "Shows which hosts serve an owner, the one that came last first.") { owner, protocol, quiet }
            .Does((run, cancellationToken) => LookupAsync(run, run.Get(owner), run.Get(protocol) ?? PortProtocol.Tcp, run.Get(quiet), cancellationToken));
    }

    private static Command MakeHosts() =>
        new Command("hosts", "Lists the hosts that show signs of life.").Does(HostsAsync);

    private static async Task<int> ListAsync(Invocation run, string? host, CancellationToken cancellationToken)
    {
        await using PortmapFleet fleet = await FleetSource.OpenAsync(run, cancellationToken);
        FleetLines.Show(run, Sorted(fleet.Map.Snapshot()).Where(entry => host is null || entry.Host == host));
        return ExitCode.Done;
    }

    private static async Task<int> LookupAsync(Invocation run, string owner, PortProtocol protocol, bool quiet, CancellationToken cancellationToken)
    {
        await using PortmapFleet fleet = await FleetSource.OpenAsync(run, cancellationToken);
        FleetEntry[] entries = fleet.Map.FindAll(owner, protocol).ToArray();
        if (entries.Length == 0)
        {
            Invocation.Complain($"No host of the fleet serves {Words.Quoted(owner)}.");
            return ExitCode.Nothing;
        }

        if (quiet && !run.Json)
        {
            await run.Out.WriteLineAsync(FleetLines.Place(entries[0]));
        }
        else
        {
            FleetLines.Show(run, entries);
        }

        return ExitCode.Done;
    }

    private static async Task<int> HostsAsync(Invocation run, CancellationToken cancellationToken)
    {
        await using PortmapFleet fleet = await FleetSource.OpenAsync(run, cancellationToken);
        IEnumerable<FleetHost> hosts = fleet.Map.EnumerateHosts().OrderBy(host => host.Name, StringComparer.Ordinal);
        TextTable table = Tables.Make("HOST", "ADDRESS", "ENTRIES");
        foreach (FleetHost host in hosts)
        {
            if (run.Json)
            {
                Lines.Write(run.Out, json =>
                {
                    json.WriteString("host", host.Name);
                    json.WriteString("address", host.Address);
                    json.WriteNumber("entries", host.Entries);
                });
            }
            else
            {
                Tables.Add(table, Words.Of(host.Name), Words.Of(host.Address), Words.Text($"{host.Entries}"));
            }
        }

        if (!run.Json)
        {
            run.Write(table);
        }

        return ExitCode.Done;
    }

    private static IEnumerable<FleetEntry> Sorted(FleetSnapshot snapshot) =>
        snapshot.Entries.OrderBy(entry => entry.Owner, StringComparer.Ordinal).ThenBy(entry => entry.Protocol).ThenBy(entry => entry.Host, StringComparer.Ordinal);

    private static async Task<IEnumerable<string>> ListOwnersAsync(Invocation run)
    {
        await using PortmapFleet fleet = await FleetSource.OpenAsync(run, CancellationToken.None);
        return fleet.Map.Snapshot().Entries.Select(entry => entry.Owner);
    }
}
