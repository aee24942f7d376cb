using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>What becomes of an owner's earlier port: Fresh, Prefer, Require. (Strangers on it:
/// Guarding/StrangerTests.)</summary>
public class PortRegistryReuseTests
{
    private const int Previous = 20004;

    public static TheoryData<PortReuse> Wanting { get; } = new() { PortReuse.Prefer, PortReuse.Require };

    [Fact]
    public async Task Fresh_NothingElseIsFree_GivesThePrevious()
    {
        await using Scene scene = new("20000", options => options.ReuseDelay = TimeSpan.Zero);

        scene.Acquire(new PortRequest("b1") { Previous = 20000, Reuse = PortReuse.Fresh }).Port.Should().Be(20000, "it is used rather than failing");
    }

    [Fact]
    public async Task Fresh_PreviousIsFree_GivesAnother()
    {
        await using Scene scene = new("20004-20005");

        for (int i = 0; i < 20; i++)
        {
            PortLease lease = scene.Acquire(Request(PortReuse.Fresh));
            lease.Port.Should().Be(20005);
            lease.TryRelease(out _).Should().BeTrue();
            scene.Clock.Advance(TimeSpan.FromMinutes(2));
        }
    }

    [Fact]
    public async Task Fresh_DeadEntryOnPrevious_CleansItUp()
    {
        await using Scene scene = new(configure: options => options.LivenessInterval = TimeSpan.FromHours(1));
        Child brick = scene.StartChild();
        scene.SessionOf(brick).Register("b1", Previous);
        brick.Kill();

        PortLease lease = scene.Acquire(Request(PortReuse.Fresh));

        lease.Port.Should().NotBe(Previous);
        scene.PortOf("b1").Should().Be(0, "its process is dead");
        scene.OwnersOn(Previous).Should().BeEmpty();
        scene.StateOf(Previous).Should().BeOneOf(PortState.Cooling, PortState.Free);
    }

    [Theory]
    [MemberData(nameof(Wanting))]
    public async Task Wanting_PreviousIsFree_GivesIt(PortReuse reuse)
    {
        await using Scene scene = new();

        scene.Acquire(Request(reuse)).Port.Should().Be(Previous);
    }

    [Theory]
    [MemberData(nameof(Wanting))]
    public async Task Wanting_SetInTheOptions_GivesIt(PortReuse reuse)
    {
        await using Scene scene = new(configure: options => options.Reuse = reuse);

        scene.Acquire(new PortRequest("b1") { Previous = Previous }).Port.Should().Be(Previous);
        scene.Acquire(new PortRequest("b2") { Previous = 20005, Reuse = PortReuse.Fresh }).Port.Should().NotBe(20005);
    }

    [Theory]
    [MemberData(nameof(Wanting))]
    public async Task Wanting_OwnPortIsCooling_GivesItBackAtOnce(PortReuse reuse)
    {
        await using Scene scene = new(configure: options => options.ReuseCooling = false);
        scene.Here.Register("b1", Previous);
        scene.Here.Release("b1");
        scene.StateOf(Previous).Should().Be(PortState.Cooling);

        scene.Acquire(Request(reuse)).Port.Should().Be(Previous);
    }

    [Theory]
    [MemberData(nameof(Wanting))]
    public async Task Wanting_OwnDeadEntryOnPrevious_GivesItBackAtOnce(PortReuse reuse)
    {
        await using Scene scene = new(configure: options => options.LivenessInterval = TimeSpan.FromHours(1));
        Child brick = scene.StartChild();
        scene.SessionOf(brick).Register("b1", Previous);
        brick.Kill();

        PortLease lease = scene.Acquire(Request(reuse));

        lease.Port.Should().Be(Previous);
        scene.PortOf("b1").Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Wanting))]
    public async Task Wanting_NoPrevious_GivesAny(PortReuse reuse)
    {
        await using Scene scene = new();

        scene.Acquire(new PortRequest("b1") { Reuse = reuse }).Port.Should().BeInRange(20000, 20009);
    }

    [Fact]
    public async Task Prefer_PreviousIsHeldByAnother_GivesAnother()
    {
        await using Scene scene = new();
        scene.Here.Register("other", Previous);

        scene.Acquire(Request(PortReuse.Prefer)).Port.Should().NotBe(Previous);
    }

    [Fact]
    public async Task Prefer_PreviousCoolsAfterAnother_GivesAnother()
    {
        await using Scene scene = new();
        scene.Here.Register("other", Previous);
        scene.Here.Release("other");

        scene.Acquire(Request(PortReuse.Prefer)).Port.Should().NotBe(Previous);
    }

    [Theory]
    [InlineData(20003, "20003")]
    [InlineData(30000, "")]
    public async Task Prefer_PreviousIsExcludedOrOutside_GivesAnother(int previous, string exclude)
    {
        await using Scene scene = new(configure: options => options.Exclude = exclude);

        PortLease lease = scene.Acquire(new PortRequest("b1") { Previous = previous, Reuse = PortReuse.Prefer });

        lease.Port.Should().BeInRange(20000, 20009).And.NotBe(previous);
    }

    [Fact]
    public async Task Require_PreviousIsBoundByAnother_NamesTheHolder()
    {
        await using Scene scene = new();
        long epoch = scene.Here.Register("other", Previous).Epoch!.Value;

        PortRefusal refusal = scene.AcquireRefused(Request(PortReuse.Require))
            .ShouldExplain(PortRefusalReason.InUse, Previous, "other", Environment.ProcessId);

        refusal.Should().BeEquivalentTo(new
        {
            Owner = "b1",
            Port = Previous,
            Holder = "other",
            HolderProcessId = Environment.ProcessId,
            HolderEpoch = epoch,
        });
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task Require_PreviousIsReservedByAnother_NamesTheHolder()
    {
        await using Scene scene = new();
        scene.Acquire(new PortRequest("other") { Previous = Previous, Reuse = PortReuse.Require });

        scene.AcquireRefused(Request(PortReuse.Require)).ShouldExplain(PortRefusalReason.InUse, Previous, "other").Holder.Should().Be("other");
    }

    [Fact]
    public async Task Require_PreviousCoolsAfterAnotherAndThatIsForbidden_IsInUseUntilTheDelayIsOver()
    {
        await using Scene scene = new(configure: options => options.ReuseCooling = false);
        scene.Here.Register("other", Previous);
        scene.Here.Release("other");

        scene.AcquireRefused(Request(PortReuse.Require)).ShouldExplain(PortRefusalReason.InUse, Previous, "other");

        scene.Clock.Advance(TimeSpan.FromSeconds(61));
        scene.Acquire(Request(PortReuse.Require)).Port.Should().Be(Previous);
    }

    [Fact]
    public async Task Require_PreviousCoolsAfterAnother_GivesItBecauseNoOtherWillDo()
    {
        await using Scene scene = new();
        scene.Here.Register("other", Previous);
        scene.Here.Release("other");

        scene.Acquire(Request(PortReuse.Require)).Port.Should().Be(Previous);
    }

    [Fact]
    public async Task Require_PreviousHeldByTheDead_GivesIt()
    {
        await using Scene scene = new(configure: options =>
        {
            options.LivenessInterval = TimeSpan.FromHours(1);
            options.ReuseDelay = TimeSpan.Zero;
        });
        Child dead = scene.StartChild();
        scene.SessionOf(dead).Register("other", Previous);
        dead.Kill();

        scene.Acquire(Request(PortReuse.Require)).Port.Should().Be(Previous);
        scene.PortOf("other").Should().Be(0);
    }

    [Theory]
    [InlineData(20003, "20003")]
    [InlineData(30000, "")]
    public async Task Require_PreviousIsExcludedOrOutside_IsInvalidPort(int previous, string exclude)
    {
        await using Scene scene = new(configure: options => options.Exclude = exclude);

        scene.AcquireRefused(new PortRequest("b1") { Previous = previous, Reuse = PortReuse.Require })
            .ShouldExplain(PortRefusalReason.InvalidPort, previous, "20000-20009" + (exclude.Length > 0 ? " without " + exclude : ""));
    }

    private static PortRequest Request(PortReuse reuse) => new("b1") { Previous = Previous, Reuse = reuse };
}
