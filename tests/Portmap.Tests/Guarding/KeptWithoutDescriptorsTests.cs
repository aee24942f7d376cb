using System.Net.Sockets;
using Portmap.Guarding;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>A placeholder that was kept after a death is asked for while this process has no
/// descriptor left to see who listens behind it.</summary>
[Collection(AloneCollection.Name)]
public sealed class KeptWithoutDescriptorsTests
{
    [Fact]
    public void Place_NobodyCanBeSeen_IsKeptAndHandedToNobody()
    {
        using IPortGuard guard = new SocketGuard(maxGuards: 100);
        GuardedPort first = PortGuardContract.Lease(PortProtocol.Tcp, PortBlock.TakeOne());
        guard.Place(first, PortGuardContract.Owner, PortGuardMode.WhileAlive, insisted: false).Finding.Should().Be(GuardFinding.Free);
        guard.Open(first);
        using Socket? child = Knock.TryTake(first.Port);
        guard.Drop(first with { IsLease = false }, keep: true, now: 0);
        ListenTable.IsListenedOn(PortProtocol.Tcp, first.Port).Should().BeTrue();
        ListenTable.Read(PortProtocol.Tcp).Listens(first.Port).Should().BeTrue("so that all code is loaded");

        GuardOutcome outcome;
        using (FewDescriptors few = new(more: 8))
        {
            few.TakeAll();
            outcome = guard.Place(PortGuardContract.Lease(PortProtocol.Tcp, first.Port), PortGuardContract.Owner, PortGuardMode.WhileAlive, insisted: false);
        }

        outcome.Finding.Should().Be(GuardFinding.Busy, "the child listens, for all that is known");
        guard.Count.Should().Be(1, "it is kept for its owner");
    }

    [Fact]
    public void Place_PassedSocketAndNobodyCanBeSeen_IsKeptAndHandedToNobody()
    {
        using IPortGuard guard = new SocketGuard(maxGuards: 100);
        GuardedPort first = PortGuardContract.Lease(PortProtocol.Tcp, PortBlock.TakeOne()), second = Kept(first), third = PortGuardContract.Another(second, 1);

        GuardFinding finding;
        using (FewDescriptors few = new(more: 8))
        {
            few.TakeAll();
            finding = guard.Place(third, PortGuardContract.Owner, PortGuardMode.PassSocket, insisted: false).Finding;
        }

        finding.Should().Be(GuardFinding.Busy, "a child of the dead program has it, for all that is known");
        guard.Place(third, PortGuardContract.Owner, PortGuardMode.PassSocket, insisted: false)
            .Should().Be(new GuardOutcome(GuardFinding.Free, PortGuarantee.Exclusive), "it is kept for its owner");

        // It has been passed on once before, so that all code is loaded.
        GuardedPort Kept(GuardedPort lease)
        {
            guard.Place(lease, PortGuardContract.Owner, PortGuardMode.PassSocket, insisted: false);
            guard.Drop(lease with { IsLease = false }, keep: true, now: 0);
            GuardedPort next = PortGuardContract.Another(lease, 1);
            guard.Place(next, PortGuardContract.Owner, PortGuardMode.PassSocket, insisted: false).Finding.Should().Be(GuardFinding.Free);
            guard.Drop(next with { IsLease = false }, keep: true, now: 0);
            return next;
        }
    }

    [Fact]
    public void IsTaken_NobodyCanBeAsked_IsBelieved()
    {
        using IPortGuard guard = new SocketGuard(maxGuards: 100);
        int port = PortBlock.TakeOne();
        guard.IsTaken(PortProtocol.Tcp, port).Should().BeFalse();

        bool isTaken;
        using (FewDescriptors few = new(more: 8))
        {
            few.TakeAll();
            isTaken = guard.IsTaken(PortProtocol.Tcp, port);
        }

        isTaken.Should().BeTrue();
    }

    [Fact]
    public async Task TryAcquire_ItsOwnPortIsRequiredAndNobodyCanBeSeen_NamesTheDescriptors()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => (options.Guard, options.Reuse) = (PortGuardMode.WhileAlive, PortReuse.Require));
        PortLease lease = scene.Acquire("b1"), other = scene.Acquire("b2");
        Die(scene, other);
        scene.Acquire("b2").Port.Should().Be(other.Port, "and all code is loaded then");
        Die(scene, lease);

        PortRefusal refusal;
        using (FewDescriptors few = new(more: 8))
        {
            few.TakeAll();
            refusal = scene.AcquireRefused("b1");
        }

        refusal.ShouldExplain(PortRefusalReason.InUse, lease.Port, "b1", "descriptor", "Try again");
        scene.Acquire("b1").Port.Should().Be(lease.Port, "it helps");
    }

    /// <summary>The process of a lease registers and dies, and its port is kept.</summary>
    private static void Die(Scene scene, PortLease lease)
    {
        using Child child = Child.Start();
        lease.OpenGate();
        scene.SessionOf(child).Register(lease.Owner, lease.Port, lease.Epoch);
        child.Kill();
        scene.Registry.Maintain();
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
    }
}
