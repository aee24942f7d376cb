using System.Diagnostics;
using System.Globalization;
using Portmap.TestKit.Crashes;
using Portmap.TestKit.Processes;
using Xunit.Abstractions;

namespace Portmap.Integration.Tests;

/// <summary>A daemon that is killed at any moment: what it acknowledged is there, whatever was
/// under way.</summary>
public sealed class DaemonCrashTests(ITestOutputHelper output)
{
    private const int Threads = 4, ProcessesOfEach = 2, WantedKills = 200;

    /// <summary>Fewer show nothing: on a slow machine the test goes on beyond its time until it has
    /// them.</summary>
    private const int LeastKills = 20;

    // What CI gives this test; PORTMAP_CRASH_KILLS and PORTMAP_CRASH_SECONDS change it for a long
    // run.
    private static readonly int s_kills = Setting("PORTMAP_CRASH_KILLS", WantedKills);
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(Setting("PORTMAP_CRASH_SECONDS", 45));

    [Fact]
    public async Task Daemon_KilledAtRandomMoments_LosesNothingItAcknowledged()
    {
        int seed = Setting("PORTMAP_CRASH_SEED", Random.Shared.Next());
        Random random = new(seed);
        long start = Stopwatch.GetTimestamp();
        using TempFolder folder = new();
        List<ChildProcess> workers = [.. Enumerable.Range(0, Threads * ProcessesOfEach).Select(_ => ChildProcess.Start(new ProcessStartInfo("/bin/sleep"), "3600"))];
        int kills = 0;
        long acknowledged = 0;
        try
        {
            CrashBook book = new();
            while (kills < s_kills && (kills < LeastKills || Stopwatch.GetElapsedTime(start) < s_limit))
            {
                await using ChildProcess daemon = ChildProcess.Start(
                    Samples.Crash, [folder["state"], "41000-41011", Text(random.Next()), Text(Threads), .. workers.Select(worker => Text(worker.Id))]);
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
                kills++;
                acknowledged = book.Acknowledged;
                await using PortRegistry registry = await PortRegistry.OpenAsync(
                    new PortRegistryOptions { Ports = "41000-41011", StateFolder = folder["state"], Probe = false, ReuseDelay = TimeSpan.Zero, LeaseTimeout = TimeSpan.FromHours(24) }).Within();
                book.Check([.. registry.Snapshot().Entries], string.Create(CultureInfo.InvariantCulture, $"kill {kills}, seed {seed}"));
            }

            kills.Should().BeGreaterThanOrEqualTo(Math.Min(s_kills, LeastKills));
            if (kills >= LeastKills)
            {
                book.Kinds.Should().BeEquivalentTo(
                    CrashMix.Verbs.SelectMany(verb => (string[])[$"{verb} Tcp", $"{verb} Udp"]), "each verb came by on each protocol (seed {0})", seed);
            }
        }
        finally
        {
            foreach (ChildProcess worker in workers)
            {
                await worker.DisposeAsync();
            }

            string text = string.Create(CultureInfo.InvariantCulture, $"{kills} kills, {acknowledged} acknowledged changes, seed {seed} (PORTMAP_CRASH_SEED), {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s");
            output.WriteLine(text);
            Console.WriteLine($"    DaemonCrashTests: {text}");
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : otherwise;
}
