using System.Globalization;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>An acquisition that is broken off: something throws in the middle of it, for want of
/// memory say, or somebody else's comes between. No port stays half taken, and what cooled cools
/// on.</summary>
public sealed class AcquisitionFaultTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Theory]
    [InlineData(PortProtocol.Tcp, 1)]
    [InlineData(PortProtocol.TcpAndUdp, 1)]
    [InlineData(PortProtocol.TcpAndUdp, 2)]
    public void TryAcquire_ThrowsAsAPlaceholderIsMade_LeavesBothProtocolsOfThePortFree(PortProtocol protocol, int time)
    {
        int port = PortBlock.TakeOne();
        using PortRegistry registry = new(new PortRegistryOptions { Ports = port.ToString(CultureInfo.InvariantCulture), Strategy = PortRegistryOptions.AllocatorPicks });
        int times = 0;
        Hook.Reached = step =>
        {
            if (step == Step.PlaceGuard && ++times == time)
            {
                throw new InsufficientMemoryException("for the test");
            }
        };
        Action acquire = () => registry.TryAcquire(new PortRequest("a") { Protocol = protocol }, out _, out _);

        acquire.Should().Throw<InsufficientMemoryException>();

        Hook.Reached = null;
        registry.AssertInvariants();
        registry.TryAcquire(new PortRequest("b") { Protocol = protocol }, out PortLease? lease, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);
        lease!.Port.Should().Be(port);
    }

    [Fact]
    public void TryAcquireAll_GroupIsEndedByAnothersAsk_ThePortThatCooledCoolsOn()
    {
        using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, ReuseCooling = false });
        registry.TryAcquire("a", out PortLease? before, out _).Should().BeTrue();
        before!.TryRelease(out _).Should().BeTrue();
        PortRequest own = new("a") { Previous = 20_000, Reuse = PortReuse.Require };
        bool isPushed = false;
        PortState? state = null;
        PortRefusal? refusedStranger = null;
        Hook.Reached = step =>
        {
            if (isPushed && step != Step.PushTop)
            {
                Hook.Reached = null;   // the member tops its owner, and the group is not sealed
                registry.TryAcquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds }, out _, out _).Should().BeTrue("it ends the group");
                registry.TryGetEntry(20_000, out PortEntry entry);
                state = entry.State;
                registry.TryAcquire("stranger", out _, out refusedStranger);
            }

            isPushed |= step == Step.PushTop;
        };

        registry.TryAcquireAll([own, new PortRequest("b") { Strategy = PortRegistryOptions.ProcessBinds }], contiguous: false, out _, out PortRefusal? refusal).Should().BeFalse();

        state.Should().Be(PortState.Cooling);
        refusedStranger!.Reason.Should().Be(PortRefusalReason.Exhausted);
        refusal!.Reason.Should().Be(PortRefusalReason.AlreadyReserved);
        registry.TryGetEntry(20_000, out PortEntry after).Should().BeTrue();
        after.State.Should().Be(PortState.Cooling);
        registry.AssertInvariants();
    }

    [Fact]
    public async Task ReportBindFailure_TheSecondProtocolIsTakenAfterTheFirstMoved_TheLeaseIsWhatTheOwnerHas()
    {
        using PortRegistry registry = MakeWithALeaseOfBoth(out PortSession session, out PortLease lease);
        bool isTaken = false;
        Hook.Reached = step =>
        {
            if (step == Step.HealLease && !isTaken)
            {
                isTaken = true;
                session.TryRegister(new PortClaimRequest("process", 20_001) { Protocol = PortProtocol.Udp }, out _, out PortRefusal? wrong).Should().BeTrue(wrong?.Message);
            }
        };

        await lease.ReportBindFailureAsync().AsTask().WaitAsync(Deadline.Default);

        Hook.Reached = null;
        isTaken.Should().BeTrue();
        foreach (PortProtocol protocol in (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp])
        {
            registry.TryGetEntry("a", out PortEntry entry, protocol).Should().BeTrue();
            (entry.Port, entry.Epoch).Should().Be((lease.Port, lease.Epoch));
        }

        session.TryRegister(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
        session.TryRegister(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch, Protocol = PortProtocol.Udp }, out _, out _).Should().BeTrue();
        (await lease.WhenBound.WaitAsync(Deadline.Default)).Port.Should().Be(lease.Port);
        registry.AssertInvariants();
    }

    [Fact]
    public async Task ReportBindFailure_TheSecondProtocolIsRegisteredAsItIsTold_TheRegistrationStays()
    {
        using PortRegistry registry = MakeWithALeaseOfBoth(out PortSession session, out PortLease lease);
        bool isReached = false;
        BeforeTheSecondHalfIsTold(registry, lease, (failed, healed) =>
        {
            isReached = true;
            ((ILease)lease).OnHealed(failed, healed);   // a helper is faster, and so is the process
            session.TryRegister(new PortClaimRequest("a", healed.Port) { Epoch = healed.Epoch, Protocol = PortProtocol.Udp }, out _, out PortRefusal? wrong).Should().BeTrue(wrong?.Message);
        });

        await lease.ReportBindFailureAsync().AsTask().WaitAsync(Deadline.Default);

        isReached.Should().BeTrue();
        session.TryRegister(new PortClaimRequest("a", lease.Port) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
        (await lease.WhenBound.WaitAsync(Deadline.Default)).Port.Should().Be(lease.Port);
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task ReportBindFailure_OneProtocolIsTakenBeforeTheSecondIsTold_NothingOfTheLeaseIsLeft(PortProtocol taken)
    {
        using PortRegistry registry = MakeWithALeaseOfBoth(out PortSession session, out PortLease lease);
        bool isTaken = false;
        BeforeTheSecondHalfIsTold(registry, lease, (failed, healed) =>
        {
            isTaken = true;
            session.TryRegister(new PortClaimRequest("process", healed.Port) { Protocol = taken }, out _, out PortRefusal? wrong).Should().BeTrue(wrong?.Message);
        });

        await Task.WhenAny(lease.ReportBindFailureAsync().AsTask()).WaitAsync(Deadline.Default);

        Hook.Reached = null;
        isTaken.Should().BeTrue();
        (await lease.Invoking(one => one.WhenBound.WaitAsync(Deadline.Default)).Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.Taken);
        registry.TryGetEntry("a", out PortEntry _).Should().BeFalse();
        registry.TryGetEntry("a", out PortEntry _, PortProtocol.Udp).Should().BeFalse("all or nothing");
        registry.AssertInvariants();
    }

    /// <summary>Does something when the UDP half of a lease has another port, and the lease was not
    /// told so.</summary>
    private static void BeforeTheSecondHalfIsTold(PortRegistry registry, PortLease lease, Action<PortClaim, PortClaim> act)
    {
        PortClaim failed = lease.Twin!;
        Hook.Reached = step =>
        {
            if (step == Step.ChangeExtras && registry.Parts.Table.Find(PortProtocol.Udp, "a").Claim is { } healed && !ReferenceEquals(healed, failed))
            {
                Hook.Reached = null;
                act(failed, healed);
            }
        };
    }

    private static PortRegistry MakeWithALeaseOfBoth(out PortSession session, out PortLease lease)
    {
        PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20003", Strategy = PortRegistryOptions.AllocatorPicks, Order = PortOrder.LowestFree, Probe = false });
        session = registry.OpenSession(Environment.ProcessId);
        registry.TryAcquire(new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }, out PortLease? granted, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);
        lease = granted!;
        return registry;
    }
}
