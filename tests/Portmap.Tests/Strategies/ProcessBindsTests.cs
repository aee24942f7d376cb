using Portmap.Tests.Support;

namespace Portmap.Tests.Strategies;

/// <summary><c>ProcessBinds</c>: the process or the kernel picks the number, and the registry keeps
/// the book.</summary>
public sealed class ProcessBindsTests : PortAllocationStrategyContract
{
    private const int Last = Scene.First + 9;

    protected override string Name => "ProcessBinds";

    protected override bool ProcessPicks => true;

    [Fact]
    public async Task Acquire_Granted_HasNoNumberUntilTheProcessRegisters()
    {
        await using Scene scene = new(configure: options => options.Strategy = Name);

        PortLease lease = scene.Acquire("b1");
        lease.Port.Should().Be(0);
        lease.WhenBound.IsCompleted.Should().BeFalse();
        scene.PortOf("b1").Should().Be(0);
        scene.Registry.TryGetEntry("b1", out PortEntry reserved).Should().BeTrue();
        reserved.Should().BeEquivalentTo(new { Owner = "b1", Port = 0, State = PortState.Reserved, ProcessId = (int?)null });

        scene.Here.Register("b1", Last, lease.Epoch);
        lease.Port.Should().Be(Last);
        (await lease.WhenBound.Within()).ProcessId.Should().Be(Environment.ProcessId);
    }

    [Fact]
    public async Task Acquire_Probing_IsHeldByProcess()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Strategy = Name);

        scene.Acquire("b1").Guarantee.Should().Be(PortGuarantee.HeldByProcess);
    }

    [Fact]
    public async Task Register_OutsideTheRange_IsAccepted()
    {
        await using Scene scene = new(configure: options => options.Strategy = Name);
        PortLease lease = scene.Acquire("b1");

        scene.Here.Register("b1", Last + 1000, lease.Epoch).Port.Should().Be(Last + 1000);
        scene.PortOf("b1").Should().Be(Last + 1000);
    }

    [Fact]
    public async Task Release_BeforeThePortIsKnown_EndsTheLease()
    {
        await using Scene scene = new(configure: options => options.Strategy = Name);
        PortLease lease = scene.Acquire("b1");

        await lease.ReleaseAsync().Within();

        (await lease.WhenBound.RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1");
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
        scene.Acquire("b1").Epoch.Should().BeGreaterThan(lease.Epoch);
    }
}
