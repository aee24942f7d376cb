using Microsoft.Extensions.Logging;
using Portmap.Tests.Support;

namespace Portmap.Tests.Diagnostics;

/// <summary>A line for each change, where somebody reads it.</summary>
public class LogTests
{
    [Fact]
    public async Task Changes_EachThatSomebodyAskedFor_IsALine()
    {
        await using Scene scene = new();

        PortLease lease = scene.Acquire("b1");
        scene.Here.Register("b1", lease.Port, lease.Epoch);
        scene.Here.Register("b1", Scene.First + 7);
        scene.Here.Release("b1");
        PortLease mine = scene.Acquire(new PortRequest("b2") { Strategy = PortRegistryOptions.ProcessBinds });
        mine.TryRelease(out _).Should().BeTrue();

        scene.Log.Of("Acquired").Should().Equal(
            $"The lease {lease.Epoch} of b1 is open: {lease.Port}/Tcp by AllocatorPicks (0: its process picks the port)",
            $"The lease {mine.Epoch} of b2 is open: 0/Tcp by ProcessBinds (0: its process picks the port)");
        scene.Log.Of("Registered").Should().SatisfyRespectively(
            first => first.Should().Be($"Process {Environment.ProcessId} of b1 serves {lease.Port}/Tcp ({lease.Epoch})"),
            second => second.Should().Match($"Process {Environment.ProcessId} of b1 serves {Scene.First + 7}/Tcp (*)"));
        scene.Log.Of("Replaced").Should().Equal($"b1 on {lease.Port}/Tcp ({lease.Epoch}) gave way to what it registered or acquired later");
        scene.Log.Of("Released").Should().SatisfyRespectively(
            first => first.Should().Match($"b1 gave {Scene.First + 7}/Tcp back (*)"),
            second => second.Should().Be($"b2 gave 0/Tcp back ({mine.Epoch})"));
    }

    [Fact]
    public async Task Changes_OfOneOwnerInAFlood_AreEachALine()
    {
        await using Scene scene = new();

        for (int i = 0; i < 50; i++)
        {
            scene.Acquire("flapper").TryRelease(out _).Should().BeTrue();
        }

        scene.Log.Of("Acquired").Should().HaveCount(50, "who turns Debug on wants each");
        scene.Log.Of("Released").Should().HaveCount(50);
        scene.Log.Of("LinesLeftOut").Should().BeEmpty();
    }

    [Fact]
    public void Changes_NobodyReadsThem_AreAskedForOnceAndCostNothing()
    {
        Closed closed = new();
        using PortRegistry silent = Registry(null), logging = Registry(closed);
        RoundTrip(silent);
        RoundTrip(logging);
        closed.Asked = 0;

        long without = Allocated(silent);
        long with = Allocated(logging);

        with.Should().Be(without);
        closed.Asked.Should().Be(2 * Rounds, "once for the lease and once for its end");
        closed.Written.Should().Be(0);
    }

    private const int Rounds = 200;

    private static PortRegistry Registry(ILogger<PortRegistry>? logger) => new(
        new PortRegistryOptions { Ports = Scene.TenPorts, Probe = false, Strategy = PortRegistryOptions.AllocatorPicks }, logger, new FakeTimeProvider());

    private static long Allocated(PortRegistry registry)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Rounds; i++)
        {
            RoundTrip(registry);
        }

        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void RoundTrip(PortRegistry registry)
    {
        if (!registry.TryAcquire("b1", out PortLease? lease, out _) || !lease.TryRelease(out _))
        {
            throw new InvalidOperationException("Refused.");
        }
    }

    /// <summary>A logger of the level Information.</summary>
    private sealed class Closed : ILogger<PortRegistry>
    {
        public int Asked { get; set; }

        public int Written { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel)
        {
            Asked++;
            return logLevel >= LogLevel.Information;
        }

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Written++;
    }
}
