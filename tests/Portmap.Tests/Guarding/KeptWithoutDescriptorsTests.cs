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
}
