using Microsoft.Extensions.Logging;
using Portmap.Rpc.Tests.Fuzzing.Controls;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>A server that runs, under twenty thousand inputs of any kind: an answer or a close, and
/// nothing that stays.</summary>
[Collection(AloneCollection.Name)]
public sealed class ServerFuzzTests : IDisposable
{
    /// <summary>What pools and the registry fill up to is there after the first half; what is kept
    /// beyond shows in the second.</summary>
    private const int HalfOfInputs = 10_000;

    private const int InputsForABug = 2_000;
    private const int Connections = 4;
    private const long MaxGrowth = 2 * 1_048_576;

    private readonly TempFolder _folder = new();
    private readonly LogList _logs = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Server_AnyBytesInAnyPieces_AnswersOrClosesAndKeepsNothing()
    {
        await using PortRegistry registry = Registry();
        await using PortmapServer server = await ServeAsync(registry);
        ServerFuzz fuzz = new(server.Endpoints[0], Deadline.Default);
        (await GrowthAsync(fuzz)).Should().BeLessThan(MaxGrowth);
        _logs.Lines.Should().BeEmpty();
        await using PortmapClient client = await PortmapClient.ConnectAsync(server.Endpoints[0]).Within();
        await client.PingAsync().Within();
    }

    [Fact]
    public async Task Detector_ProgramThatKeepsWhatItIsSent_IsSeen()
    {
        await using PortRegistry registry = Registry();
        BrokenProgram program = new(BrokenProgram.Bug.Keeps);
        await using PortmapServer server = await ServeAsync(registry, program);
        (await GrowthAsync(new ServerFuzz(server.Endpoints[0], Deadline.Default))).Should().BeGreaterThan(MaxGrowth);
        GC.KeepAlive(program);
    }

    [Fact]
    public async Task Detector_ProgramThatThrows_IsSeen()
    {
        await using PortRegistry registry = Registry();
        await using PortmapServer server = await ServeAsync(registry, new BrokenProgram(BrokenProgram.Bug.Throws));
        await FuzzInput.Calls.SampleSeedsAsync(new ServerFuzz(server.Endpoints[0], Deadline.Default).CheckAsync, inputs: InputsForABug / 2, threads: Connections);
        _logs.Lines.Should().NotBeEmpty();
    }

    [Fact]
    public async Task Detector_ProgramThatNeverAnswers_IsSeen()
    {
        await using PortRegistry registry = Registry();
        await using PortmapServer server = await ServeAsync(registry, new BrokenProgram(BrokenProgram.Bug.Hangs));
        ServerFuzz fuzz = new(server.Endpoints[0], TimeSpan.FromSeconds(1));
        Func<Task> check = () => fuzz.CheckAsync(new FuzzInput(Wire.Call(7, FuzzInput.HostProgram, 1), [9], FuzzInput.HostProgram, 1));
        await check.Should().ThrowAsync<TimeoutException>();
    }

    private static async Task<long> GrowthAsync(ServerFuzz fuzz)
    {
        await FuzzInput.Calls.SampleSeedsAsync(fuzz.CheckAsync, inputs: HalfOfInputs / 2, threads: Connections, print: input => input.ToString());
        long before = Memory();
        await FuzzInput.Calls.SampleSeedsAsync(fuzz.CheckAsync, inputs: HalfOfInputs / 2, threads: Connections, print: input => input.ToString());
        return Memory() - before;
    }

    /// <summary>What is left of earlier tests in this process is gone first, as far as it can
    /// be.</summary>
    private static long Memory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    // Few owners, so that what is registered is at its bound long before the measurement.
    private static PortRegistry Registry() => new(new PortRegistryOptions { Ports = PortBlock.Take(20).ToString(), MaxOwners = 64, WatchCapacity = 64 });

    private async Task<PortmapServer> ServeAsync(PortRegistry registry, params IRpcProgram[] programs)
    {
        PortmapServerOptions options = new() { Endpoints = { $"unix:{_folder["fuzz.sock"]}" }, MaxWait = TimeSpan.FromMilliseconds(1), MaxRecordBytes = 16_384 };
        foreach (IRpcProgram program in programs)
        {
            options.Programs.Add(program);
        }

        PortmapServer server = new(registry, options, new ServerLog(_logs, LogLevel.Error));
        await server.StartAsync().Within();
        return server;
    }
}
