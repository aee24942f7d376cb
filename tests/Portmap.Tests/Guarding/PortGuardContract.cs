using Portmap.Guarding;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>What every guard keeps, whatever it can hold a port with.</summary>
public abstract class PortGuardContract
{
    private static long s_epoch = 1_000;

    internal abstract IPortGuard Make();

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public void Place_FreePort_IsFreeInEveryModeAndTheGuaranteeIsOneOfALease(PortProtocol protocol)
    {
        foreach (PortGuardMode mode in Enum.GetValues<PortGuardMode>())
        {
            using IPortGuard guard = Make();
            GuardedPort lease = Lease(protocol);

            GuardOutcome outcome = guard.Place(lease, Owner, mode, insisted: false);

            outcome.Finding.Should().Be(GuardFinding.Free);
            outcome.Guarantee.Should().NotBe(PortGuarantee.HeldByProcess, "there is no process yet");
        }
    }

    [Fact]
    public void Open_DoesWhatItSays_TheNextProgramGetsIn()
    {
        using IPortGuard guard = Make();
        GuardedPort lease = Place(guard, PortProtocol.Tcp);
        PortGuarantee before = lease.Claim.Guarantee;

        guard.Open(lease).Should().Be(lease.Claim.Guarantee != before);

        lease.Claim.Guarantee.Should().NotBe(PortGuarantee.Exclusive);
        Knock.GetsInSoon(lease.Port).Should().BeTrue();
        guard.Open(lease).Should().BeFalse("it is open");
    }

    [Fact]
    public void Exclusive_MeansThatNobodyGetsIn()
    {
        using IPortGuard guard = Make();
        foreach (PortProtocol protocol in (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp])
        {
            GuardedPort lease = Place(guard, protocol);
            if (lease.Claim.Guarantee == PortGuarantee.Exclusive)
            {
                Knock.GetsIn(lease.Port, type: protocol == PortProtocol.Udp ? System.Net.Sockets.SocketType.Dgram : System.Net.Sockets.SocketType.Stream).Should().BeFalse();
            }
        }
    }

    [Fact]
    public void AnotherClaimsEnd_LeavesThePlaceholder()
    {
        using IPortGuard guard = Make();
        GuardedPort lease = Place(guard, PortProtocol.Tcp);
        int held = guard.Count;
        GuardedPort older = Another(lease, -1);

        guard.Drop(older, keep: false, now: 0);
        guard.Open(older);
        guard.HandOver(Another(lease, 1), processId: 0);

        guard.Count.Should().Be(held);
    }

    [Fact]
    public void Drop_LetsGoOfThePortAndTwiceIsNoError()
    {
        using IPortGuard guard = Make();
        GuardedPort lease = Place(guard, PortProtocol.Tcp);

        guard.Drop(lease, keep: false, now: 0);
        guard.Drop(lease, keep: false, now: 0);

        guard.Count.Should().Be(0);
        Knock.GetsInSoon(lease.Port, reuse: false).Should().BeTrue();
    }

    [Fact]
    public void Dispose_HoldsNothingAndNeverWillAgain()
    {
        IPortGuard guard = Make();
        Place(guard, PortProtocol.Tcp);
        guard.Dispose();

        GuardedPort late = Lease(PortProtocol.Tcp);
        guard.Place(late, Owner, PortGuardMode.UntilRegistered, insisted: false).Guarantee.Should().NotBe(PortGuarantee.Exclusive);

        guard.Count.Should().Be(0);
        guard.Dispose();
    }

    /// <summary>A pending lease on a port of this test's own.</summary>
    /// <summary>Whose all claims are.</summary>
    internal const string Owner = "b1";

    internal static GuardedPort Lease(PortProtocol protocol, int port = 0) =>
        new(protocol, port == 0 ? PortBlock.TakeOne() : port, Interlocked.Add(ref s_epoch, 16), IsLease: true, new Claim());

    internal static GuardedPort Place(IPortGuard guard, PortProtocol protocol, PortGuardMode mode = PortGuardMode.UntilRegistered)
    {
        GuardedPort lease = Lease(protocol);
        lease.Claim.Guarantee = guard.Place(lease, Owner, mode, insisted: false).Guarantee;
        return lease;
    }

    /// <summary>Another claim on the same port.</summary>
    internal static GuardedPort Another(GuardedPort lease, long later) => lease with { Epoch = lease.Epoch + later, Claim = new Claim() };

    private sealed class Claim : IGuaranteed
    {
        public PortGuarantee Guarantee { get; set; }

        public bool IsOver => false;

        public string? Owner => PortGuardContract.Owner;
    }
}

public sealed class NoGuardTests : PortGuardContract
{
    internal override IPortGuard Make() => new NoGuard();
}
