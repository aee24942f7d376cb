using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Fleet;

/// <summary>Three daemons in three network namespaces, one etcd, one fleet: what a reader should
/// see, checked on the way.</summary>
internal static class Demo
{
    private const int Stop = 19;        // SIGSTOP
    private const int Continue = 18;    // SIGCONT
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private static readonly string s_etcdUrl = $"http://{Network.EtcdAddress}:2379";

    public static async Task<int> RunAsync()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("portmap-fleet-");
        List<Process> processes = [];
        Process[] daemons = new Process[3];
        try
        {
            Process etcd = StartEtcd(folder);
            processes.Add(etcd);
            Say("1. Three daemons, each in a network namespace of its own, and one etcd.");
            for (int i = 0; i < daemons.Length; i++)
            {
                string name = string.Create(CultureInfo.InvariantCulture, $"h{i + 1}");
                processes.Add(daemons[i] = await Network.StartAsync(i + 1, Daemon.Command, name, Network.Address(i + 1), s_etcdUrl));
                Say($"   {name} {await ReadAsync(daemons[i])}");
            }

            Say("2. Each finds what another serves, and calls it.");
            for (int i = 0; i < daemons.Length; i++)
            {
                int next = ((i + 1) % daemons.Length) + 1;
                Say($"   h{i + 1}: {await UntilAsync(daemons[i], $"find web/h{next}", answer => answer.Contains($"this is web/h{next}", StringComparison.Ordinal))}");
            }

            Say("3. Etcd is killed: the maps stay, the daemons serve on.");
            etcd.Kill();
            await etcd.WaitForExitAsync();
            Say($"   h1: {await ExpectAsync(daemons[0], "find web/h3", "this is web/h3")}");
            processes.Add(StartEtcd(folder));

            Say("4. One of them holds \"leader\", the others are told who.");
            Say($"   h1: {await UntilAsync(daemons[0], "claim leader", answer => answer.StartsWith("holds", StringComparison.Ordinal))}");
            Say($"   h2: {await ExpectAsync(daemons[1], "claim leader", "refused: h1")}");

            Say("5. h1 is frozen for longer than its lease. h2 takes over; h1 wakes, and knows that it lost.");
            Kill(daemons[0].Id, Stop);
            Say($"   h2: {await UntilAsync(daemons[1], "claim leader", answer => answer.StartsWith("holds", StringComparison.Ordinal))}");
            Kill(daemons[0].Id, Continue);
            Say($"   h1: {await ExpectAsync(daemons[0], "held", "lost")}");
            Say($"   h2: {await ExpectAsync(daemons[1], "held", "held")}");

            Say("6. h3 is killed: its entries go with its lease.");
            daemons[2].Kill();
            Say($"   h2: {await UntilAsync(daemons[1], "find web/h3", answer => answer == "nobody serves it")}");
            Say($"   h2: {await UntilAsync(daemons[1], "find web/h1", answer => answer.Contains("this is web/h1", StringComparison.Ordinal))}");
            Say("PASSED");
            return 0;
        }
        catch (Exception exception) when (exception is DemoFailedException or TimeoutException)
        {
            foreach (Process daemon in daemons.Where(daemon => daemon is { HasExited: false }))
            {
                Say($"   {await AskAsync(daemon, "status")}");
            }

            Say($"FAILED {exception.Message}");
            return 1;
        }
        finally
        {
            foreach (Process process in processes)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync();
                process.Dispose();
            }

            folder.Delete(recursive: true);
        }
    }

    private static Process StartEtcd(DirectoryInfo folder) => Process.Start(new ProcessStartInfo(
        "etcd",
        [
            "--data-dir", Path.Combine(folder.FullName, "data"), "--listen-client-urls", s_etcdUrl, "--advertise-client-urls", s_etcdUrl,
            "--listen-peer-urls", "http://127.0.0.1:2380", "--logger", "zap", "--log-outputs", Path.Combine(folder.FullName, "log"),
        ])
    {
        RedirectStandardError = true,
    })!;

    private static async Task<string> AskAsync(Process daemon, string order)
    {
        await daemon.StandardInput.WriteLineAsync(order);
        return await ReadAsync(daemon);
    }

    private static async Task<string> ReadAsync(Process daemon) =>
        await daemon.StandardOutput.ReadLineAsync().WaitAsync(s_limit) ?? throw new DemoFailedException($"daemon {daemon.Id} ended");

    private static async Task<string> ExpectAsync(Process daemon, string order, string expected)
    {
        string answer = await AskAsync(daemon, order);
        return answer.Contains(expected, StringComparison.Ordinal) ? answer : throw new DemoFailedException($"\"{order}\" was answered \"{answer}\" instead of \"{expected}\"");
    }

    /// <summary>Asks again until the answer is so.</summary>
    private static async Task<string> UntilAsync(Process daemon, string order, Func<string, bool> isSo)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            string answer = await AskAsync(daemon, order);
            if (isSo(answer))
            {
                return answer;
            }

            if (Stopwatch.GetElapsedTime(start) > s_limit)
            {
                throw new DemoFailedException($"\"{order}\" is still answered \"{answer}\"");
            }

            await Task.Delay(50);
        }
    }

    private static void Say(string line) => Console.WriteLine(line);

    private static void Kill(int processId, int signal)
    {
        if (SendSignal(processId, signal) != 0)
        {
            throw new DemoFailedException($"kill({processId}, {signal}) failed");
        }
    }

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int processId, int signal);
}
