using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>A real daemon that stands still (SIGSTOP): the kernel goes on accepting connections for
/// it, and nobody waits for it without end.</summary>
public sealed class StoppedDaemonTests : IDisposable
{
    private static readonly TimeSpan s_short = TimeSpan.FromSeconds(3);   // enough to connect on a busy machine

    private readonly TempFolder _folder = new();
    private readonly PortRange _range = PortBlock.Take(4);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Listen_WhileTheDaemonStandsStill_IsUnreachableAndSaysWhatItWaitedFor()
    {
        await using ChildProcess daemon = await ServeAsync();
        daemon.Send(Signal.Stop);
        WorkerPortOptions options = Options();
        options.ConnectTimeout = s_short;

        Func<Task> listen = () => WorkerPort.ListenAsync(options).Within();

        (await listen.Should().ThrowExactlyAsync<PortmapUnreachableException>()).Which.Message.Should().Contain("first answer").And.Contain("stopped or hangs");
    }

    [Fact]
    public async Task Listen_WhileTheDaemonStandsStillForAWhile_IsSignedInWhenItGoesOn()
    {
        await using ChildProcess daemon = await ServeAsync();
        daemon.Send(Signal.Stop);
        WorkerPortOptions options = Options();
        options.ConnectTimeout = TimeSpan.FromSeconds(20);
        Task<WorkerPort> listening = WorkerPort.ListenAsync(options);

        daemon.Send(Signal.Continue);

        await using WorkerPort worker = await listening.Within();
        worker.WhenLost.IsCompleted.Should().BeFalse();
    }

    [Fact]
    public async Task Call_WhileTheDaemonStandsStill_EndsAfterItsLimitAndTheConnectionIsGoodAfterwards()
    {
        await using ChildProcess daemon = await ServeAsync();
        await using PortmapClient client = await PortmapClient.ConnectAsync(Endpoint, new PortmapClientOptions { ConnectTimeout = Deadline.Default, CallTimeout = s_short }).Within();
        daemon.Send(Signal.Stop);
        Func<Task>[] calls =
        [
            () => client.PingAsync().Within(),
            () => client.GetEntryAsync("b1").Within(),
            () => client.SnapshotAsync().Within(),
            () => client.AcquireAsync("b2").Within(),
            () => client.RegisterAsync(new PortClaimRequest("b3", _range.First)).Within(),
            () => client.ReportBindFailureAsync(new PortClaimRequest("b4", _range.First)).Within(),
            () => client.ReleaseAsync("b5").Within(),
        ];
        var failures = await Task.WhenAll(calls.Select(call => call.Should().ThrowExactlyAsync<PortmapUnreachableException>()));
        failures.Should().OnlyContain(failure => failure.Which.Message.Contains("CallTimeout", StringComparison.Ordinal));

        daemon.Send(Signal.Continue);

        using CancellationTokenSource limit = new(Deadline.Default);
        while (!await IsAnsweredAsync(client))   // not before the daemon has caught up, which may take longer than one call waits
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }

    private static async Task<bool> IsAnsweredAsync(PortmapClient client)
    {
        try
        {
            (await client.GetEntryAsync("nobody").Within()).Should().BeNull("answers that came too late are passed over");
            return true;
        }
        catch (PortmapUnreachableException)
        {
            return false;
        }
    }

    private PortmapEndpoint Endpoint => PortmapEndpoint.Parse("unix:" + _folder["portmap.sock"]);

    private Task<ChildProcess> ServeAsync() => Samples.ServeAsync("--unix", _folder["portmap.sock"], "--range", $"{_range}");

    private WorkerPortOptions Options() => new()
    {
        Endpoint = Endpoint.ToString(),
        Owner = "b1",
        Ports = _range.ToString(),
        Address = PortBlock.Loopback,
    };
}
