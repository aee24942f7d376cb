using System.Globalization;

namespace Portmap.Crash;

/// <summary>A daemon under Confirmed that does what its standard input says, line by line, and
/// answers each with one line.</summary>
internal static class Obeying
{
    // obey FOLDER PORTS
    //   "open", or "refused REASON MESSAGE" and the end
    //   acquire NAME   "ok PORT EPOCH" or "refused REASON MESSAGE"
    //   list           "owners NAME..."
    //   findings       "findings KIND VALUE | KIND VALUE..."
    //   (end of input) "closed"
    public static async Task RunAsync(string folder, string ports)
    {
        PortRegistry registry;
        try
        {
            registry = await PortRegistry.OpenAsync(new PortRegistryOptions { Ports = ports, Strategy = PortRegistryOptions.AllocatorPicks, StateFolder = folder, Probe = false, LeaseTimeout = TimeSpan.FromHours(24) });
        }
        catch (PortRefusedException refused)
        {
            Say(Refused(refused));
            return;
        }

        await using (registry)
        {
            Say("open");
            while (await Console.In.ReadLineAsync() is { } line)
            {
                string[] words = line.Split(' ', 2);
                Say(words[0] switch
                {
                    "acquire" => await AcquireAsync(registry, words[1]),
                    "list" => $"owners {string.Join(' ', registry.Snapshot().Entries.Where(entry => entry.State == PortState.Reserved).Select(entry => entry.Owner).Order(StringComparer.Ordinal))}",
                    "findings" => $"findings {string.Join(" | ", registry.Diagnose().Select(finding => $"{finding.Kind} {finding.Value}"))}",
                    _ => throw new ArgumentException($"{line} is no command."),
                });
            }
        }

        Say("closed");
    }

    private static async Task<string> AcquireAsync(PortRegistry registry, string owner)
    {
        try
        {
            PortLease lease = await registry.AcquireAsync(owner);
            return string.Create(CultureInfo.InvariantCulture, $"ok {lease.Port} {lease.Epoch}");
        }
        catch (PortRefusedException refused)
        {
            return Refused(refused);
        }
    }

    private static string Refused(PortRefusedException refused) => $"refused {refused.Refusal.Reason} {refused.Refusal.Message.ReplaceLineEndings(" ")}";

    private static void Say(string line) => Console.Out.WriteLine(line);
}
