using System.Runtime.InteropServices;

namespace Portmap.Tests.Support;

/// <summary>A daemon in a process of its own that lacks a right or descriptors: this assembly, run as a program, which says what it is refused and why.</summary>
internal static class BindingDaemon
{
    /// <summary>Runs one without CAP_NET_BIND_SERVICE, which root has and no other user.</summary>
    /// <returns>What it says, line by line.</returns>
    public static Task<string[]> RunDeniedAsync(string ports) => RunAsync(
        Environment.IsPrivilegedProcess ? "setpriv --bounding-set=-net_bind_service --inh-caps=-net_bind_service " : "", "", ports, starve: false);

    /// <summary>Runs one that has used up its descriptors.</summary>
    public static Task<string[]> RunStarvedAsync(string ports) => RunAsync("", "ulimit -n 256 && ", ports, starve: true);

    /// <summary>The program: one line for what became of each request, then one for each finding.</summary>
    internal static async Task<int> RunAsync(string ports, bool starve)
    {
        PortRange range = PortRange.Parse(ports);
        using PortRegistry first = Make(ports), registry = Make(ports);
        Ask(first, range);   // what the runtime loads once takes descriptors
        first.Dispose();
        List<FileStream> files = starve ? GuardingDaemon.OpenAll() : [];
        List<string> lines = Ask(registry, range);
        files.ForEach(file => file.Dispose());
        await Console.Out.WriteLineAsync(string.Join('\n', lines));
        return 0;
    }

    private static PortRegistry Make(string ports) => new(new PortRegistryOptions { Ports = ports, Strategy = "AllocatorPicks", Order = PortOrder.LowestFree });

    private static List<string> Ask(PortRegistry registry, PortRange range)
    {
        List<string> lines = [];
        for (int i = 0; i <= range.Count; i++)
        {
            lines.Add(registry.TryAcquire($"b{i}", out PortLease? lease, out PortRefusal? refusal) ? $"{lease.Port} {lease.Guarantee}" : $"{refusal}");
        }

        PortRequest required = new("required") { Previous = range.First, Reuse = PortReuse.Require };
        lines.Add(registry.TryAcquire(required, out PortLease? given, out PortRefusal? why) ? $"{given.Port} {given.Guarantee}" : $"{why}");
        lines.AddRange(registry.Snapshot(out _).Where(entry => entry.State == PortState.Foreign).Select(entry => $"Foreign {entry.Port}"));
        lines.AddRange(registry.Diagnose().Select(finding => $"finding {finding}"));
        return lines;
    }

    private static async Task<string[]> RunAsync(string rights, string limit, string ports, bool starve)
    {
        string dotnet = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));
        using Child child = Child.Start("/bin/sh", "-c", $"{limit}exec {rights}'{dotnet}' exec '{typeof(BindingDaemon).Assembly.Location}' bind {ports} {starve}");
        string said = await child.Process.StandardOutput.ReadToEndAsync().Within();
        return said.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
