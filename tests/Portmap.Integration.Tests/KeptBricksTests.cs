using System.Diagnostics;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary><c>serve --bricks</c>: workers that die are started again, those that live over a
/// restart of the daemon are adopted, and one that cannot run is given up.</summary>
public sealed class KeptBricksTests
{
    private const string First = "vol1:/bricks/b1", Second = "vol1:/bricks/b2";

    [Fact]
    public async Task Bricks_KilledBesideTheDaemonAndWithIt_EachIsStartedOnceAndTheLivingAreAdopted()
    {
        using TempFolder folder = new();
        string[] options = ["--unix", folder["d.sock"], "--range", $"{PortBlock.Take(12)}", "--state", folder["state"], "--bricks", "2"];
        List<int> all = [];
        try
        {
            ChildProcess daemon = await Samples.ServeAsync(options);
            (int first, int second) = (await ServedAsync(folder, First, all), await ServedAsync(folder, Second, all));

            Kill(first);
            int again = await ServedAsync(folder, First, all, unlike: first);

            daemon.Kill();
            await daemon.ExitAsync();
            Kill(again);
            await daemon.DisposeAsync();
            daemon = await Samples.ServeAsync(options);
            (await ServedAsync(folder, First, all, unlike: again)).Should().NotBe(first);
            (await ServedAsync(folder, Second, all)).Should().Be(second, "it lives and was left alone");

            daemon.Send(Signal.Terminate);
            (await daemon.ExitAsync()).Should().Be(0, daemon.Errors);
            daemon.Errors.Should().Contain($"Brick for {Second} lives already, pid {second}");
            all.Should().HaveCount(4).And.OnlyContain(id => ChildProcess.StateOf(id) == 'X' || ChildProcess.StateOf(id) == 'Z', "what it keeps ends with it, adopted or not, and a zombie waits for init only");
            await daemon.DisposeAsync();
        }
        finally
        {
            all.ForEach(Kill);
        }
    }

    [Fact]
    public async Task Bricks_LeaseOfTheRunBefore_IsWaitedForAndNobodyIsGivenUp()
    {
        using TempFolder folder = new();
        PortRegistryOptions before = new() { Ports = $"{PortBlock.Take(12)}", StateFolder = folder["state"], LeaseTimeout = TimeSpan.FromSeconds(5) };
        await using (PortRegistry registry = await PortRegistry.OpenAsync(before).Within())
        {
            await registry.AcquireAsync(First);
        }

        await using ChildProcess daemon = await Samples.ServeAsync("--unix", folder["d.sock"], "--range", before.Ports, "--state", folder["state"], "--bricks", "1");
        await ServedAsync(folder, First, []);

        daemon.Errors.Should().NotContain("given up").And.NotContain("started again");
        daemon.Send(Signal.Terminate);
        (await daemon.ExitAsync()).Should().Be(0, daemon.Errors);
    }

    [Fact]
    public async Task Bricks_ThatCannotListen_AreGivenUpAfterFiveStarts()
    {
        using TempFolder folder = new();
        ProcessStartInfo start = Samples.ManagementDaemon;
        start.Environment["PORTMAP_ADDRESS"] = "192.0.2.1";   // no address of this host: bricks inherit it
        await using ChildProcess daemon = ChildProcess.Start(start, "serve", "--unix", folder["d.sock"], "--range", $"{PortBlock.Take(12)}", "--bricks", "1");
        (await daemon.ReadLineAsync()).Should().StartWith("ready ");

        await GivenUpAsync(daemon);

        string[] said = daemon.Errors.Split('\n');
        said.Count(line => line.Contains("ended with exit code", StringComparison.Ordinal)).Should().Be(5, daemon.Errors);
        said.Should().ContainSingle(line => line.Contains($"Brick for {First} is given up", StringComparison.Ordinal)).Which.Should().Contain("192.0.2.1");
        daemon.Errors.Should().Contain("started again in 100 ms").And.Contain("started again in 800 ms").And.NotContain("open lease");
        daemon.Send(Signal.Terminate);
        (await daemon.ExitAsync()).Should().Be(0);
    }

    [Fact]
    public async Task Bricks_ThatNeverListen_AreGivenUpAfterFiveStarts()
    {
        using TempFolder folder = new();
        ProcessStartInfo start = Samples.ManagementDaemonOf(folder, brick: "exec sleep 600");
        (start.Environment["Portmap__LeaseTimeout"], start.Environment["Portmap__LivenessInterval"]) = ("00:00:00.5", "00:00:00.1");
        start.Environment["Keeper__Settled"] = "00:00:00.2";   // less than the wait for each of them
        await using ChildProcess daemon = ChildProcess.Start(start, "serve", "--unix", folder["d.sock"], "--range", $"{PortBlock.Take(12)}", "--bricks", "1");
        (await daemon.ReadLineAsync()).Should().StartWith("ready ");

        await GivenUpAsync(daemon);

        daemon.Errors.Should().Contain("started again in 100 ms").And.Contain("started again in 800 ms");
        daemon.Send(Signal.Terminate);
        (await daemon.ExitAsync()).Should().Be(0, daemon.Errors);
    }

    [Fact]
    public async Task Bricks_ThatSayMuchOnStandardOutput_AreNotHeldUp()
    {
        using TempFolder folder = new();
        ProcessStartInfo start = Samples.ManagementDaemonOf(folder, brick: $"head -c 100000 /dev/zero | tr '\\0' x; echo; exec '{Samples.Brick.FileName}'");   // more than a pipe holds
        await using ChildProcess daemon = ChildProcess.Start(start, "serve", "--unix", folder["d.sock"], "--range", $"{PortBlock.Take(12)}", "--bricks", "1");
        (await daemon.ReadLineAsync()).Should().StartWith("ready ");

        await ServedAsync(folder, First, []);

        daemon.Send(Signal.Terminate);
        (await daemon.ExitAsync()).Should().Be(0, daemon.Errors);
    }

    /// <summary>Five starts of a program, one after the other.</summary>
    private static Task GivenUpAsync(ChildProcess daemon) =>
        Eventually.SeenAsync(() => daemon.Errors.Contains("given up after 5 starts", StringComparison.Ordinal), TimeSpan.FromMinutes(2));

    /// <summary>Waits, over the wire, until an owner is served by another process.</summary>
    private static async Task<int> ServedAsync(TempFolder folder, string owner, List<int> all, int unlike = 0)
    {
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortUpdate update in client.WatchAsync(cancellationToken: end.Token))
        {
            foreach (PortEntry entry in update.Snapshot?.Entries ?? update.Changes.Select(change => change.Entry))
            {
                if (entry.Owner == owner && entry is { State: PortState.Bound, ProcessId: { } id } && id != unlike)
                {
                    if (!all.Contains(id))
                    {
                        all.Add(id);
                    }

                    return id;
                }
            }
        }

        throw new InvalidOperationException("The watch ended by itself.");
    }

    private static void Kill(int processId)
    {
        try
        {
            using Process process = Process.GetProcessById(processId);
            process.Kill();
        }
        catch (ArgumentException)
        {
            // It is gone.
        }
    }
}
