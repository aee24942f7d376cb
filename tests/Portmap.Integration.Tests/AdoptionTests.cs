using System.Diagnostics;
using System.Globalization;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>A supervisor that is killed and started again with its workers living starts none of
/// them twice, and starts those again that died.</summary>
public sealed class AdoptionTests
{
    [NeedsFact("python3")]
    public async Task Supervisor_KilledAndRestarted_KeepsTheLivingAndStartsTheDead()
    {
        using TempFolder folder = new();
        PortRange range = PortBlock.Take(8);
        string[] owners = [.. Enumerable.Range(0, 4).Select(i => FormattableString.Invariant($"b{i}"))];
        List<int> everStarted = [];
        try
        {
            Dictionary<string, (int Id, int Port)> workers = await RunAsync(folder, range, owners, everStarted, kept: []);
            for (int restart = 0; restart < 3; restart++)
            {
                string victim = owners[restart];
                await KillAsync(workers[victim].Id);
                Dictionary<string, (int Id, int Port)> after = await RunAsync(folder, range, owners, everStarted, owners.Except([victim]));
                foreach (string owner in owners.Except([victim]))
                {
                    after[owner].Should().Be(workers[owner], "it lives and was left alone");
                }

                after[victim].Id.Should().NotBe(workers[victim].Id);
                workers = after;
            }

            everStarted.Should().HaveCount(4 + 3, "one for each owner, and one for each death");
        }
        finally
        {
            foreach (int id in everStarted)
            {
                await KillAsync(id);
            }
        }
    }

    /// <summary>One life of the supervisor, ended by SIGKILL.</summary>
    private static async Task<Dictionary<string, (int Id, int Port)>> RunAsync(
        TempFolder folder, PortRange range, string[] owners, List<int> everStarted, IEnumerable<string> kept)
    {
        await using ChildProcess supervisor = ChildProcess.Start(Samples.Crash, ["supervise", folder["state"], range.ToString(), .. owners]);
        Dictionary<string, (int Id, int Port)> workers = [];
        List<string> left = [];
        for (string line = await supervisor.ReadLineAsync(); line != "ready"; line = await supervisor.ReadLineAsync())
        {
            string[] words = line.Split(' ');
            int id = int.Parse(words[2], CultureInfo.InvariantCulture);
            workers[words[1]] = (id, int.Parse(words[3], CultureInfo.InvariantCulture));
            (words[0] == "kept" ? left : []).Add(words[1]);
            if (words[0] == "started")
            {
                everStarted.Add(id);
            }
        }

        left.Should().BeEquivalentTo(kept);
        supervisor.Kill();
        await supervisor.ExitAsync();
        return workers;
    }

    private static async Task KillAsync(int id)
    {
        try
        {
            using Process worker = Process.GetProcessById(id);
            worker.Kill();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // It has ended.
        }

        await Eventually.SeenAsync(() => ChildProcess.StateOf(id) is 'X' or 'Z');   // a zombie waits for init only
    }
}
