using System.Net.Sockets;
using Portmap.Guarding;

namespace Portmap.Tests.Guarding;

/// <summary>The contract of every guard, by the one there is on other systems, and what its binds
/// mean.</summary>
public sealed class ProbingGuardTests : PortGuardContract
{
    internal override IPortGuard Make() => new ProbingGuard();

    [Fact]
    public void Judge_NobodyCouldBeAsked_IsLedgerOnlyAndNotRefused() =>
        ProbingGuard.Judge(SocketError.TooManyOpenSockets, lingering: false).Should().Be(new GuardOutcome(GuardFinding.Free, PortGuarantee.LedgerOnly));

    [Fact]
    public void Judge_Bound_IsProbedOnly() =>
        ProbingGuard.Judge(SocketError.Success, lingering: false).Should().Be(new GuardOutcome(GuardFinding.Free, PortGuarantee.ProbedOnly));

    [Fact]
    public void Judge_InUse_TellsLingeringConnectionsFromAListener()
    {
        ProbingGuard.Judge(SocketError.AddressAlreadyInUse, lingering: true).Finding.Should().Be(GuardFinding.Lingering);
        ProbingGuard.Judge(SocketError.AddressAlreadyInUse, lingering: false).Finding.Should().Be(GuardFinding.InUse);
        ProbingGuard.Judge(SocketError.AccessDenied, lingering: false).Finding.Should().Be(GuardFinding.Denied, "only \"address in use\" is a stranger");
    }
}
