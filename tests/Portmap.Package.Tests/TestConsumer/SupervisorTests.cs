using System.Diagnostics;
using Portmap;
using Portmap.Testing;
using Xunit;

namespace TestConsumer;

public sealed class SupervisorTests
{
    [Fact]
    public async Task Worker_IsKilled_IsNotFoundAnyMore()
    {
        await using PortTestWorld world = new(options => options.Ports = "50000-50009");
        PortLease lease = await world.Registry.AcquireAsync("web");
        ProcessStartInfo program = new("web");
        lease.PrepareStart(program);
        FakeWorker worker = world.StartWorker(program);
        await worker.SignInAsync();
        Assert.Equal(worker.Port, world.PortOf("web"));

        worker.Process.Kill();

        Assert.Null(world.PortOf("web"));
    }
}

/// <summary>A strategy of somebody else keeps the contract.</summary>
public sealed class DownwardsTests : PortAllocationStrategyContract
{
    protected override string Name => "Downwards";

    protected override void Configure(PortRegistryOptions options, PortRange range)
    {
        base.Configure(options, range);
        options.AddStrategy(new Downwards(range));
    }

    private sealed class Downwards(PortRange range) : IPortAllocationStrategy
    {
        private readonly ThreadLocal<int> _cursor = new();

        public string Name => "Downwards";

        public int Pick(PortSearch search) => range.Last - (_cursor.Value++ % range.Count);
    }
}

/// <summary>A store of somebody else keeps the contract.</summary>
public sealed class StoreTests : PortStoreContract
{
    private readonly FakePortStore _store = new();

    protected override IPortStore CreateStore() => _store;
}
