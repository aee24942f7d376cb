using System.Runtime.InteropServices;

namespace Portmap.Tests.Support;

/// <summary>A daemon in a process of its own that lacks a right, or whose system calls fail: this
/// assembly, run as a program, which says what it is refused and why.</summary>
internal static class BindingDaemon
{
    /// <summary>Runs one without CAP_NET_BIND_SERVICE, which root has and no other user.</summary>
    /// <returns>What it says, line by line.</returns>
    public static Task<string[]> RunDeniedAsync(string ports) => RunAsync(
        Environment.IsPrivilegedProcess ? "setpriv --bounding-set=-net_bind_service --inh-caps=-net_bind_service " : "", ports);

    /// <summary>Runs one whose system call fails each time.</summary>
    /// <param name="call">socket or bind.</param>
    /// <param name="error">The name of the error, such as EMFILE.</param>
    /// <param name="ports">The range.</param>
    public static Task<string[]> RunFailingAsync(string call, string error, string ports) =>
        RunAsync($"strace -f -qq -o /dev/null -e trace={call} -e inject={call}:error={error} ", ports);

    /// <summary>The program: one line for what became of each request, then one for each
    /// finding.</summary>
    internal static async Task<int> RunAsync(string ports)
    {
        using PortRegistry registry = new(new PortRegistryOptions { Ports = ports, Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree });
        await Console.Out.WriteLineAsync(string.Join('\n', Ask(registry, PortRange.Parse(ports))));
        return 0;
    }

    private static List<string> Ask(PortRegistry registry, PortRange range)
    {
        List<string> lines = [];
        for (int i = 0; i <= range.Count; i++)
        {
            lines.Add(registry.TryAcquire($"b{i}", out PortLease? lease, out PortRefusal? refusal) ? $"{lease.Port} {lease.Guarantee}" : $"{refusal}");
        }

        PortRequest required = new("required") { Previous = range.First, Reuse = PortReuse.Require };
        lines.Add(registry.TryAcquire(required, out PortLease? given, out PortRefusal? why) ? $"{given.Port} {given.Guarantee}" : $"{why}");
        lines.AddRange(registry.Snapshot().Entries.Where(entry => entry.State == PortState.Foreign).Select(entry => $"Foreign {entry.Port}"));
        lines.AddRange(registry.Diagnose().Select(finding => $"finding {finding}"));
        if (range.Count > 1)
        {
            bool hasRow = registry.TryAcquireAll([new PortRequest("row"), new PortRequest("row/2")], contiguous: true, out IReadOnlyList<PortLease>? row, out PortRefusal? noRow);
            lines.Add(hasRow ? $"row {row![0].Port}" : $"row {noRow}");
        }

        return lines;
    }

    private static async Task<string[]> RunAsync(string by, string ports)
    {
        string dotnet = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));
        using Child child = Child.Start(
            "/bin/sh", "-c", $"DOTNET_EnableDiagnostics=0 exec {by}'{dotnet}' exec '{typeof(BindingDaemon).Assembly.Location}' bind {ports}");
        string said = await child.Process.StandardOutput.ReadToEndAsync().Within(TimeSpan.FromMinutes(2));   // strace stops it at each call
        return said.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
