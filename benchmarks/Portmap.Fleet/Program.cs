namespace Portmap.Fleet;

/// <summary>Measures the fleet on a real etcd, prints the table, and writes it to the file that is
/// named: <c>-- benchmarks/FLEET.md</c>. What stands below the table there stays.</summary>
/// <remarks><c>-- short</c> leaves out the million entries, <c>-- growth</c> everything
/// else.</remarks>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        Report report = new();
        try
        {
            if (args is not ["growth"])
            {
                await Latency.MeasureAsync(report);
                await Publishing.MeasureAsync(report);
                await Kills.MeasureAsync(report);
            }

            await Growth.MeasureAsync(report, hosts: args is ["short"] ? [100] : [100, 1_000]);
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            await Console.Error.WriteLineAsync($"Portmap.Fleet: needs etcd and etcdctl on PATH: {exception.Message}");
            return 1;
        }

        Console.WriteLine(report.Text);
        if (args is [{ } path] && path is not ("short" or "growth"))
        {
            await File.WriteAllTextAsync(path, report.Text + await NotesAsync(path));
        }

        return report.IsMet ? 0 : 1;
    }

    /// <summary>What stands below the table, written by hand: from the first heading of the second
    /// level on.</summary>
    private static async Task<string> NotesAsync(string path)
    {
        string old = File.Exists(path) ? await File.ReadAllTextAsync(path) : "";
        int at = old.IndexOf("\n## ", StringComparison.Ordinal);
        return at < 0 ? "" : old[at..];
    }
}
