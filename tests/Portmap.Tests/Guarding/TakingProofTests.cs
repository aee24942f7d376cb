using System.Net.Sockets;
using Portmap.Guarding;
using Portmap.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>Who takes something proves that it listens: another owner's lease, the owner's own
/// registration, a stranger's port.</summary>
[Collection(AloneCollection.Name)]
public sealed class TakingProofTests
{
    public static IEnumerable<object[]> Guards { get; } =
        from protocol in (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp]
        from mode in Enum.GetValues<PortGuardMode>()
        where mode != PortGuardMode.PassSocket   // no default: there the daemon listens itself
        select new object[] { protocol, mode };

    [Theory]
    [MemberData(nameof(Guards))]
    public async Task Register_OnAnotherOwnersLease_NeedsAListener(PortProtocol protocol, PortGuardMode mode)
    {
        foreach (bool isOpen in (bool[])[false, true])
        {
            await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = mode);
            PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = protocol });
            if (isOpen)
            {
                lease.OpenGate();
            }

            foreach (int? process in (int?[])[Environment.ProcessId, null])
            {
                await using PortSession session = scene.Registry.OpenSession(process);
                session.RegisterRefused("thief", lease.Port, protocol: protocol).ShouldExplain(PortRefusalReason.NotListening, "thief", lease.Port);
            }

            scene.StateOf(lease.Port, protocol).Should().Be(PortState.Reserved, "the lease stands");
            scene.OwnersOn(lease.Port, protocol).Should().Equal("b1");
            using Socket? socket = Knock.TryTake(lease.Port, type: protocol == PortProtocol.Udp ? SocketType.Dgram : SocketType.Stream);
            if (socket is not null)
            {
                scene.Here.Register("winner", lease.Port, protocol: protocol);
                scene.OwnersOn(lease.Port, protocol).Should().Equal("winner");
            }
            else
            {
                isOpen.Should().BeFalse();
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Register_InPlaceOfTheOwnersRegistration_NeedsAListener(bool byEpoch)
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range);
        using Socket first = Knock.TryTake(range.First)!;
        long served = scene.Here.Register("b1", range.First).Epoch!.Value;
        PortLease? lease = byEpoch ? scene.Acquire("b1") : null;
        lease?.OpenGate();
        int next = lease?.Port ?? range.Last;

        scene.Here.RegisterRefused("b1", next, lease?.Epoch ?? 0).ShouldExplain(PortRefusalReason.NotListening, "b1", next);

        scene.PortOf("b1").Should().Be(range.First, "what was served is served");
        using Socket second = Knock.TryTake(next)!;
        scene.Here.Register("b1", next, lease?.Epoch ?? 0).Epoch.Should().BeGreaterThan(served);
        scene.PortOf("b1").Should().Be(next);
    }

    [Fact]
    public async Task Register_OnAStrangersPort_NeedsAListener()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using (Stranger.Listening(range.First))
        {
            scene.AcquireRefused("b1");
            scene.StateOf(range.First).Should().Be(PortState.Foreign);
        }

        scene.Here.RegisterRefused("b2", range.First).ShouldExplain(PortRefusalReason.NotListening, "b2");
        scene.StateOf(range.First).Should().Be(PortState.Foreign);

        using Socket? server = Knock.TryTake(range.First);
        scene.Here.Register("b2", range.First).State.Should().Be(PortState.Bound);
    }

    [Fact]
    public async Task Register_OnAPortThatIsKeptForItsOwnersReturn_NeedsAListener()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using (Child child = Child.Start())
        {
            scene.SessionOf(child).Register("b1", lease.Port, lease.Epoch);
            child.Kill();
        }

        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);
        scene.Registry.Guard.Count.Should().Be(1);

        foreach (string owner in (string[])["b1", "b2"])
        {
            scene.Here.RegisterRefused(owner, lease.Port).ShouldExplain(PortRefusalReason.NotListening, owner);
        }

        scene.Registry.Guard.Count.Should().Be(1, "it is still kept");
    }

    [Fact]
    public async Task RegisterAsync_OnARegistryThatConfirms_NeedsAListenerToo()
    {
        PortRange range = PortBlock.Take(1);
        await using PortRegistry registry = await PortRegistry.OpenAsync(
            new PortRegistryOptions { Ports = range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks }, new FakePortStore()).Within();
        PortLease lease = await registry.AcquireAsync("b1").AsTask().Within();
        lease.OpenGate();
        await using PortSession session = registry.OpenSession(Environment.ProcessId);

        (await session.RegisterAsync(new PortClaimRequest("thief", range.First)).RefusalAsync()).ShouldExplain(PortRefusalReason.NotListening, "thief");

        using Socket? server = Knock.TryTake(range.First);
        (await session.RegisterAsync(new PortClaimRequest("winner", range.First)).AsTask().Within()).State.Should().Be(PortState.Bound);
    }

    [Fact]
    public void Demand_SocketsOfTheProcessCannotBeRead_NamesNoOptionThatMayBeOff()
    {
        ProcessIdentity gone;
        using (Child child = Child.Start())
        {
            gone = ProcessIdentity.Of(child.Id, out _);
            child.Kill();   // its descriptors cannot be read, as those of another user's process
        }

        ReportedListener said = new(PortProtocol.Tcp, 50_000, gone, IsOwnSocket: true);

        ListeningProof.Demand(said, "b1", isHeld: true, new ListenReader(host: null))
            .ShouldExplain(PortRefusalReason.Unverifiable, "b1", 50_000, gone.Id, "as root").Message.Should().NotContain("Verify");
    }

    [Fact]
    public async Task Register_ThatTakesNothing_IsBelieved()
    {
        PortRange range = PortBlock.Take(3);
        await using Scene scene = Scene.OnRealPorts(range);
        PortLease lease = scene.Acquire("b1");

        scene.Here.Register("b1", lease.Port, lease.Epoch).State.Should().Be(PortState.Bound, "it uses up its own lease");
        int free = Enumerable.Range(range.First, range.Count).First(port => port != lease.Port);
        scene.Here.Register("b2", free).State.Should().Be(PortState.Bound);
        scene.Here.Register("b2", free).State.Should().Be(PortState.Bound, "the same again");
        scene.Here.Register("b3", free).State.Should().Be(PortState.Bound, "one process, several owners, one port");
    }
}
