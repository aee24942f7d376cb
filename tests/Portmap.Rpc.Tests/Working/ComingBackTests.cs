using System.Diagnostics;
using System.Net.Sockets;
using System.Threading.Channels;
using Portmap.Rpc.Calling;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Working;

/// <summary>Workers that lose their daemon at one moment do not come back at one.</summary>
public sealed class ComingBackTests
{
    private const int Workers = 20;

    [Fact]
    public async Task SignInAgain_ManyThatLostTheDaemon_WaitForDifferentTimesFromHalfTheDelayOn()
    {
        using TempFolder folder = new();
        string endpoint = $"unix:{folder["d.sock"]}";
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
        PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { endpoint } });
        await server.StartAsync().Within();
        using TcpListener listener = new(PortBlock.Loopback, PortBlock.TakeOne());
        listener.Start();
        Clock[] clocks = [.. Enumerable.Range(0, Workers).Select(_ => new Clock())];
        WorkerPort[] workers = await Task.WhenAll(clocks.Select((clock, i) => WorkerPort.SignInAsync(
            listener.Server, new WorkerPortOptions { Endpoint = endpoint, Owner = $"w{i}", TimeProvider = clock }))).Within();

        await server.DisposeAsync().AsTask().Within();   // all of them at once
        TimeSpan[] first = await Task.WhenAll(clocks.Select(clock => clock.ShortWaits.Reader.ReadAsync().AsTask())).Within();

        first.Should().OnlyContain(wait => wait >= TimeSpan.FromMilliseconds(25) && wait <= TimeSpan.FromMilliseconds(50));
        first.Distinct().Should().HaveCountGreaterThan(Workers / 4, "of 26 waits, 20 workers draw 14 different ones on average, and 5 or fewer once in a thousand million times");
        await Task.WhenAll(workers.Select(worker => worker.DisposeAsync().AsTask())).Within();
    }

    [NeedsFact("sleep")]
    public async Task SignInAgain_RefusedOnceAndAgain_WaitsLongerEachTime()
    {
        using TempFolder folder = new();
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
        await using PortmapServer server = new(registry, new PortmapServerOptions { Endpoints = { $"unix:{folder["1.sock"]}" } });
        await server.StartAsync().Within();
        File.CreateSymbolicLink(folder["d.sock"], folder["1.sock"]);
        using TcpListener listener = new(PortBlock.Loopback, PortBlock.TakeOne());
        listener.Start();
        (Clock clock, LogList logs) = (new Clock(), new LogList());
        await using WorkerPort worker = await WorkerPort.SignInAsync(
            listener.Server, new WorkerPortOptions { Endpoint = $"unix:{folder["d.sock"]}", Owner = "w", CheckInterval = Timeout.InfiniteTimeSpan, TimeProvider = clock, Logger = logs }).Within();
        await using PortRegistry another = new(new PortRegistryOptions { Ports = PortBlock.Take(4).ToString() });
        await using PortmapServer next = new(another, new PortmapServerOptions { Endpoints = { $"unix:{folder["2.sock"]}" } });
        await next.StartAsync().Within();
        await using ChildProcess other = ChildProcess.Start(new ProcessStartInfo("sleep"), "60");
        await using PortSession session = another.OpenSession(other.Id);
        await session.RegisterAsync(new PortClaimRequest("w", 1_024)).Within();

        File.Delete(folder["d.sock"]);
        File.CreateSymbolicLink(folder["d.sock"], folder["2.sock"]);
        await server.DisposeAsync().AsTask().Within();
        await logs.SeenAsync("SignInRefused", times: 4).Within();

        for (int most = 50; most <= 200; most *= 2)
        {
            TimeSpan wait = await clock.ShortWaits.Reader.ReadAsync().AsTask().Within();
            wait.TotalMilliseconds.Should().BeInRange(most / 2, most);
        }
    }

    [Fact]
    public void NextDelay_OneAfterTheOther_DoublesUpToASecond()
    {
        List<double> delays = [];
        for (TimeSpan delay = Connection.NextDelay(TimeSpan.Zero); delays.Count < 7; delay = Connection.NextDelay(delay))
        {
            delays.Add(delay.TotalMilliseconds);
        }

        delays.Should().Equal(50, 100, 200, 400, 800, 1_000, 1_000);
    }

    /// <summary>The system's clock; it notes the waits between attempts, which are shorter than
    /// every limit.</summary>
    private sealed class Clock : TimeProvider
    {
        public Channel<TimeSpan> ShortWaits { get; } = Channel.CreateUnbounded<TimeSpan>();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime > TimeSpan.Zero && dueTime <= TimeSpan.FromSeconds(1))
            {
                ShortWaits.Writer.TryWrite(dueTime);
            }

            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
