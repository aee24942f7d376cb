using System.Net;
using Portmap.Guarding;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>Strangers: what the operating system says about a port before it is handed out. Real
/// sockets on this process's own ports.</summary>
public class StrangerTests
{
    public static TheoryData<string> Addresses { get; } = new() { "0.0.0.0", "::", "127.0.0.1", "::1" };

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task TryAcquire_StrangerListens_PassesItOver(string address)
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range);
        using Stranger stranger = Stranger.Listening(range.First, IPAddress.Parse(address));

        scene.Acquire("b1").Port.Should().Be(range.Last);
        scene.AcquireRefused("b2").ShouldExplain(PortRefusalReason.Exhausted, "foreign");

        scene.StateOf(range.First).Should().Be(PortState.Foreign);
        scene.Registry.TryGetEntry(range.First, out PortEntry entry).Should().BeTrue();
        entry.Should().BeEquivalentTo(new { Owner = "", Epoch = (long?)null, Port = range.First, State = PortState.Foreign });
    }

    [Fact]
    public async Task TryAcquire_NoGuard_IsProbedOnly()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.None);

        scene.Acquire("b1").Guarantee.Should().Be(PortGuarantee.ProbedOnly);
    }

    [Fact]
    public async Task TryAcquire_NoGuard_LeavesThePortBindable()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.None);
        PortLease lease = scene.Acquire("b1");

        Action listen = () => Stranger.Listening(lease.Port).Dispose();

        listen.Should().NotThrow("the worker must be able to listen on its port");
    }

    [Fact]
    public async Task TryAcquire_StrangerOnUdp_IsNothingToTcp()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Stranger stranger = Stranger.OnUdp(range.First);

        scene.AcquireRefused(new PortRequest("b1") { Protocol = PortProtocol.Udp }).ShouldExplain(PortRefusalReason.Exhausted);
        scene.AcquireRefused(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp }).ShouldExplain(PortRefusalReason.Exhausted);
        scene.Acquire("b1").Port.Should().Be(range.First);
    }

    [Fact]
    public async Task Require_StrangerOnThePreviousPort_IsForeignWithPortAndRemedy()
    {
        // Glusterd as bug 1322805 reported it: the brick insists on the port it had, and somebody
        // else took it.
        PortRange range = PortBlock.Take(3);
        await using Scene scene = Scene.OnRealPorts(range);
        using Stranger stranger = Stranger.Listening(range.First);

        PortRefusal refusal = scene.AcquireRefused(new PortRequest("b1") { Previous = range.First, Reuse = PortReuse.Require })
            .ShouldExplain(PortRefusalReason.Foreign, range.First);

        refusal.Port.Should().Be(range.First);
        refusal.Message.Should().MatchRegex("Fresh|Prefer", "the remedy is named");
        scene.StateOf(range.First).Should().Be(PortState.Foreign);
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
    }

    [Theory]
    [InlineData(PortReuse.Fresh)]
    [InlineData(PortReuse.Prefer)]
    public async Task FreshOrPrefer_StrangerOnThePreviousPort_GivesAnother(PortReuse reuse)
    {
        PortRange range = PortBlock.Take(3);
        await using Scene scene = Scene.OnRealPorts(range);
        using Stranger stranger = Stranger.Listening(range.First);

        PortLease lease = scene.Acquire(new PortRequest("b1") { Previous = range.First, Reuse = reuse });

        lease.Port.Should().BeInRange(range.First + 1, range.Last);
        scene.OwnersOn(range.First).Should().BeEmpty();
    }

    [Fact]
    public async Task ForeignRecheck_StrangerHasGone_HandsThePortOut()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using (Stranger stranger = Stranger.Listening(range.First))
        {
            scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.Exhausted);
        }

        scene.Clock.Advance(TimeSpan.FromSeconds(31));

        scene.Acquire("b1").Port.Should().Be(range.First);
    }

    [Fact]
    public async Task ForeignRecheck_StrangerIsStillThere_StaysForeign()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Stranger stranger = Stranger.Listening(range.First);
        scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.Exhausted);

        scene.Clock.Advance(TimeSpan.FromSeconds(31));

        scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.Exhausted);
        scene.StateOf(range.First).Should().Be(PortState.Foreign);
    }

    [Fact]
    public async Task Register_ForeignPort_IsBound()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using (Stranger stranger = Stranger.Listening(range.First))
        {
            scene.AcquireRefused("b1").ShouldExplain(PortRefusalReason.Exhausted);
        }

        using Stranger listening = Stranger.Listening(range.First);   // which is b2's own socket now
        scene.Here.Register("b2", range.First).State.Should().Be(PortState.Bound);

        scene.PortOf("b2").Should().Be(range.First);
        scene.Clock.Advance(TimeSpan.FromMinutes(1));
        scene.PortOf("b2").Should().Be(range.First, "the re-check of the stranger is nothing to the owner");
    }

    [Fact]
    public async Task LeaseTimeout_SomebodyListensOnThePort_IsForeignNotCooling()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        PortLease lease = scene.Acquire(new PortRequest("b1") { Guard = PortGuardMode.None });
        using Stranger stranger = Stranger.Listening(lease.Port);

        scene.Clock.Advance(TimeSpan.FromSeconds(61));

        await lease.WhenBound.RefusalAsync();
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Foreign);
    }

    [Fact]
    public async Task TryAcquire_ConnectionsOfARestartedServerInTimeWait_DoNotReadAsExhausted()
    {
        // Gluster issue 4505: a range of one port and a restart.
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        await TimeWait.LeaveAsync(range.First);

        // A process that another test is just starting holds a copy of every descriptor, the
        // listener's too, until it becomes its program.
        await Eventually.TrueAsync(() => !ListenTable.Read(PortProtocol.Tcp).Listens(range.First));

        scene.Acquire("b1").Port.Should().Be(range.First);
    }

    [Fact]
    public async Task TryAcquire_PortThatWasPassedOverForItsTimeWait_ComesAgainAfterTheDelay()
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range, options => (options.Order, options.LeaseTimeout) = (PortOrder.LowestFree, TimeSpan.FromHours(1)));
        await TimeWait.LeaveAsync(range.First);
        await Eventually.TrueAsync(() => !ListenTable.Read(PortProtocol.Tcp).Listens(range.First));   // see above
        scene.Acquire("b1").Port.Should().Be(range.Last, "connections linger on the first one");

        scene.Clock.Advance(scene.Options.ReuseDelay + TimeSpan.FromSeconds(1));

        scene.Acquire("b2").Port.Should().Be(range.First);
    }

    [Fact]
    public async Task Probe_Off_HandsOutWithoutLooking()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Probe = false);
        using Stranger stranger = Stranger.Listening(range.First);

        scene.Acquire("b1").Guarantee.Should().Be(PortGuarantee.LedgerOnly);
    }
}
