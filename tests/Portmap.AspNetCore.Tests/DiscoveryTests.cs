using System.Diagnostics;
using Portmap.Etcd.Tests.Support;

namespace Portmap.AspNetCore.Tests;

/// <summary>The sample of service discovery: http://web/ is wherever the owner "web" is served, for
/// HttpClient and for YARP.</summary>
public sealed class DiscoveryTests
{
    [Theory]
    [InlineData("ask/web")]
    [InlineData("proxy/")]
    public async Task Get_WorkerKilledAndStartedElsewhere_IsAnsweredByTheNewOne(string path)
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker first = await daemon.LaunchAsync("web", "http1");
        await using Gateway gateway = await Gateway.StartAsync(daemon);
        (await gateway.GetAsync(path)).Should().StartWith($"web {first.Process.Id} ");

        first.Process.Kill();
        Worker second = await daemon.LaunchAsync("web", "http1");

        second.Entry.Port.Should().NotBe(first.Entry.Port);
        await gateway.UntilAsync(path, answer => answer.StartsWith($"web {second.Process.Id} ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ask/web")]
    [InlineData("proxy/")]
    public async Task Get_DaemonStartedAgain_IsAnsweredMeanwhileAndFollowsAfterwards(string path)
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        Worker first = await daemon.LaunchAsync("web", "http1");
        await using Gateway gateway = await Gateway.StartAsync(daemon);
        (await gateway.GetAsync(path)).Should().StartWith("web ");

        long revision = await daemon.RestartAsync(between: async () => (await gateway.GetAsync(path)).Should().StartWith("web "));
        await daemon.ChangeAsync(revision, change => change.Kind == PortChangeKind.Registered);
        Worker second = await daemon.LaunchAsync("web", "http1");

        await gateway.UntilAsync(path, answer => answer.StartsWith($"web {second.Process.Id} ", StringComparison.Ordinal));
        first.Process.Id.Should().NotBe(second.Process.Id);
    }

    [Fact]
    public async Task Get_NobodyServesIt_FailsUntilSomebodyDoes()
    {
        await using TestDaemon daemon = await TestDaemon.StartAsync();
        await using Gateway gateway = await Gateway.StartAsync(daemon);
        await FluentActions.Awaiting(() => gateway.GetAsync("ask/web")).Should().ThrowAsync<HttpRequestException>();

        await daemon.LaunchAsync("web", "http1");

        await gateway.UntilAsync("ask/web", answer => answer.StartsWith("web ", StringComparison.Ordinal));
    }

    /// <summary>Two hosts of a fleet, each an address of its own.</summary>
    [NeedsTheory("etcd")]
    [InlineData("ask/web")]
    [InlineData("proxy/")]
    public async Task Get_OwnerMovesToAnotherHostOfTheFleet_IsAnsweredThere(string path)
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync();
        await using FleetHost first = await FleetHost.JoinAsync(etcd, "a");
        await using FleetHost second = await FleetHost.JoinAsync(etcd, "b");
        await using Gateway gateway = await Gateway.StartAsync(start => Array.ForEach(["--fleet", etcd.Endpoints], start.ArgumentList.Add));
        await first.ServeAsync("web");
        await gateway.UntilAsync(path, answer => answer == "web of a");

        await second.ServeAsync("web");
        await first.DisposeAsync();

        await gateway.UntilAsync(path, answer => answer == "web of b");
        for (int i = 0; i < 20; i++)
        {
            (await gateway.GetAsync(path)).Should().Be("web of b", "nobody is led back");
        }
    }

    /// <summary>The sample, as a process of its own.</summary>
    private sealed class Gateway(ChildProcess process, string address) : IAsyncDisposable
    {
        private readonly HttpClient _client = HttpCalls.Client();

        public static Task<Gateway> StartAsync(TestDaemon daemon) => StartAsync(start => start.Environment["PORTMAP_ENDPOINT"] = daemon.Endpoint);

        public static async Task<Gateway> StartAsync(Action<ProcessStartInfo> configure)
        {
            string address = $"http://{PortBlock.Loopback}:{PortBlock.TakeOne()}/";
            ProcessStartInfo start = TestDaemon.Sample("Discovery");
            start.Environment["ASPNETCORE_URLS"] = address;
            configure(start);
            var process = ChildProcess.Start(start);
            try
            {
                (await process.ReadLineAsync()).Should().Be("ready");
                return new Gateway(process, address);
            }
            catch
            {
                await process.DisposeAsync();
                throw;
            }
        }

        public Task<string> GetAsync(string path) => _client.GetStringAsync(address + path).Within();

        /// <summary>Asks until the answer is the one, at most for the deadline; calls on their way
        /// to a dead worker fail.</summary>
        public async Task UntilAsync(string path, Func<string, bool> isIt)
        {
            using CancellationTokenSource end = Deadline.Source();
            bool isAnswered = false;
            while (!isAnswered)
            {
                end.Token.ThrowIfCancellationRequested();
                using HttpResponseMessage response = await _client.GetAsync(address + path, end.Token);
                isAnswered = response.IsSuccessStatusCode && isIt(await response.Content.ReadAsStringAsync(end.Token));
            }
        }

        public async ValueTask DisposeAsync()
        {
            _client.Dispose();
            await process.DisposeAsync();
        }
    }
}
