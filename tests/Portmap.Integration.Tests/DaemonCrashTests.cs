using System.Diagnostics;
using System.Globalization;
using Portmap.TestKit.Crashes;
using Portmap.TestKit.Processes;
using Xunit.Abstractions;

namespace Portmap.Integration.Tests;

/// <summary>A daemon that is killed at any moment: what it acknowledged is there, whatever was
/// under way.</summary>
/// <remarks>Which seeds are played: <see cref="Seeds"/>. PORTMAP_CRASH_KILLS=N is N kills for each
/// of them.</remarks>
public sealed class DaemonCrashTests(ITestOutputHelper output)
{
    private const int Threads = 4, ProcessesOfEach = 2;

    /// <summary>For each seed; the test takes as long as they take.</summary>
    private const int Kills = 30;

    /// <summary>From so many kills on, each kind of change must have come by.</summary>
    private const int EnoughKills = 2 * Kills;

    /// <summary>So many of them while a change of one strategy, protocol or verb was under
    /// way.</summary>
    private const int LeastWithEach = 2;

    private static readonly int s_kills =
        int.TryParse(Environment.GetEnvironmentVariable("PORTMAP_CRASH_KILLS"), CultureInfo.InvariantCulture, out int kills) ? kills : Kills;

    private readonly HashSet<string> _kinds = [];
    private readonly Dictionary<string, int> _struck = CrashMix.Kinds.SelectMany(kind => kind.Split('/')).Distinct().ToDictionary(word => word, _ => 0);
    private int _kills;
    private long _acknowledged;

    [Fact]
    public async Task Daemon_KilledAtRandomMoments_LosesNothingItAcknowledged()
    {
        long start = Stopwatch.GetTimestamp();
        List<ChildProcess> workers = [.. Enumerable.Range(0, Threads * ProcessesOfEach).Select(_ => ChildProcess.Start(new ProcessStartInfo("/bin/sleep"), "3600"))];
        try
        {
            int[] processes = [.. workers.Select(worker => worker.Id)];
            await Seeds.ForEachAsync(seed => PlayAsync(seed, processes), [1]);
            if (_kills >= EnoughKills)
            {
                _kinds.Should().BeEquivalentTo(CrashMix.Kinds, "each kind of change came by and was acknowledged");
                _struck.Should().OnlyContain(pair => pair.Value >= LeastWithEach, "daemons were killed during each");
            }
        }
        finally
        {
            foreach (ChildProcess worker in workers)
            {
                await worker.DisposeAsync();
            }

            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{_kills} kills, {_acknowledged} acknowledged changes, {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s; killed during {string.Join(", ", _struck.Select(pair => $"{pair.Key} {pair.Value}"))}"));
        }
    }

    private async Task PlayAsync(int seed, int[] processes)
    {
        Random random = new(seed);
        using TempFolder folder = new();
        CrashBook book = new();
        for (int kill = 1; kill <= s_kills; kill++)
        {
            await using ChildProcess daemon = ChildProcess.Start(
                Samples.Crash, [folder["state"], "41000-41011", Text(random.Next()), Text(Threads), .. processes.Select(Text)]);
            (await daemon.ReadLineAsync()).Should().Be("open");

            // The moment is random in what the daemon does: after so many of its lines, while
            // the next ones are under way.
            for (int lines = random.Next(300); lines > 0; lines--)
            {
                book.Note(await daemon.ReadLineAsync());
            }

            daemon.Kill();
            foreach (string line in await daemon.ReadToEndAsync())
            {
                book.Note(line);
            }

            await daemon.ExitAsync();   // the kernel lets go of its lock on the state with the last of it
            _kills++;
            await using PortRegistry registry = await PortRegistry.OpenAsync(
                new PortRegistryOptions { Ports = "41000-41011", StateFolder = folder["state"], Probe = false, ReuseDelay = TimeSpan.Zero, LeaseTimeout = TimeSpan.FromHours(24) }).Within();
            book.Check([.. registry.Snapshot().Entries], FormattableString.Invariant($"kill {kill}"));
        }

        _acknowledged += book.Acknowledged;
        _kinds.UnionWith(book.Kinds);
        foreach ((string word, int kills) in book.Struck)
        {
            _struck[word] += kills;
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
