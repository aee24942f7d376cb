using System.Net.Sockets;
using Portmap.Guarding;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>The contract of every guard, and what placeholders promise beyond it.</summary>
[Collection(AloneCollection.Name)]
public sealed class SocketGuardTests : PortGuardContract
{
    internal override IPortGuard Make() => new SocketGuard(maxGuards: 100);

    [Fact]
    public void Place_SilentStrangerOrAnotherDaemonsPlaceholder_IsInUseEvenWhenInsistedOn()
    {
        using IPortGuard guard = Make(), another = Make();
        GuardedPort theirs = Place(another, PortProtocol.Tcp);

        foreach (bool insisted in (bool[])[false, true])
        {
            guard.Place(Lease(PortProtocol.Tcp, theirs.Port), Owner, PortGuardMode.UntilRegistered, insisted).Finding.Should().Be(GuardFinding.InUse);
        }

        guard.Count.Should().Be(0);
    }

    [Fact]
    public void Place_InsistedOnBehindAnotherDaemonsOpenGate_IsInUseAndLeavesTheGateOpen()
    {
        // To bind(), TIME_WAIT and a bound, silent socket with SO_REUSEADDR look alike; but only
        // connections are listed in /proc/net/tcp.
        using IPortGuard guard = Make(), another = Make();
        GuardedPort theirs = Place(another, PortProtocol.Tcp);
        another.Open(theirs);

        guard.Place(Lease(PortProtocol.Tcp, theirs.Port), Owner, PortGuardMode.UntilRegistered, insisted: true).Finding.Should().Be(GuardFinding.InUse);

        guard.Count.Should().Be(0);
        Knock.GetsIn(theirs.Port).Should().BeTrue("the process it was opened for finds it so");
    }

    [Fact]
    public async Task HandOver_OfAPortThatWasInsistedOn_StaysAdmitting()
    {
        int port = PortBlock.TakeOne();
        await TimeWait.LeaveAsync(port);
        await Eventually.TrueAsync(() => !ListenTable.Read(PortProtocol.Tcp).Listens(port));
        using IPortGuard guard = Make();
        GuardedPort lease = Lease(PortProtocol.Tcp, port);
        lease.Claim.Guarantee = guard.Place(lease, Owner, PortGuardMode.WhileAlive, insisted: true).Guarantee;

        guard.HandOver(lease, processId: 0);

        lease.Claim.Guarantee.Should().Be(PortGuarantee.Admitting, "a bound, silent socket may lie underneath, besides the connections");
    }

    [Fact]
    public async Task Place_TimeWaitOnThePort_IsTheNextCandidateUnlessInsistedOnThenAdmitting()
    {
        int port = PortBlock.TakeOne();
        await TimeWait.LeaveAsync(port);
        using IPortGuard guard = Make();
        await Eventually.TrueAsync(() => !ListenTable.Read(PortProtocol.Tcp).Listens(port));

        guard.Place(Lease(PortProtocol.Tcp, port), Owner, PortGuardMode.UntilRegistered, insisted: false).Finding.Should().Be(GuardFinding.Lingering);
        guard.Count.Should().Be(0);
        GuardedPort lease = Lease(PortProtocol.Tcp, port);
        GuardOutcome outcome = guard.Place(lease, Owner, PortGuardMode.UntilRegistered, insisted: true);
        outcome.Should().Be(new GuardOutcome(GuardFinding.Lingering, PortGuarantee.Admitting));
        lease.Claim.Guarantee = outcome.Guarantee;

        Knock.GetsIn(port).Should().BeFalse("it is held all the same");
        guard.Open(lease).Should().BeFalse("it was Admitting before");
        Knock.GetsIn(port).Should().BeTrue();
    }

    [Fact]
    public async Task Place_PassSocketOverTimeWait_ListensAndIsExclusive()
    {
        int port = PortBlock.TakeOne();
        await TimeWait.LeaveAsync(port);
        using IPortGuard guard = Make();
        await Eventually.TrueAsync(() => !ListenTable.Read(PortProtocol.Tcp).Listens(port));

        guard.Place(Lease(PortProtocol.Tcp, port), Owner, PortGuardMode.PassSocket, insisted: true)
            .Should().Be(new GuardOutcome(GuardFinding.Lingering, PortGuarantee.Exclusive));

        Knock.GetsIn(port).Should().BeFalse("who listens keeps everybody out");
    }

    [Fact]
    public async Task Place_SocketThatCannotListen_IsInUseAndNotCounted()
    {
        // Connections linger, so the bind is shared; and somebody's silent socket lies underneath,
        // which has closed its gate since: the kernel lets us bind behind it, and not listen.
        int port = PortBlock.TakeOne();
        await TimeWait.LeaveAsync(port);
        await Eventually.TrueAsync(() => !ListenTable.Read(PortProtocol.Tcp).Listens(port));
        using IPortGuard guard = Make();
        BoundSocket.TryMake(PortProtocol.Tcp, port, isStrict: false, out BoundSocket? silent).Should().Be(SocketError.Success);
        using (silent)
        {
            silent!.SetReuseAddress(isOn: false);
            guard.Place(Lease(PortProtocol.Tcp, port), Owner, PortGuardMode.PassSocket, insisted: true).Finding.Should().Be(GuardFinding.InUse);
        }

        guard.Count.Should().Be(0);
    }

    [Fact]
    public void Place_WhatAnEarlierClaimLeftOpen_ClosesBehindWhoListensThere()
    {
        // The gate was opened, the lease ended, and a program that came in by the gate listens
        // still: that port is a stranger's.
        using IPortGuard guard = Make();
        GuardedPort first = Place(guard, PortProtocol.Tcp);
        guard.Open(first);
        using Socket? straggler = Knock.TryTake(first.Port);

        guard.Place(Lease(PortProtocol.Tcp, first.Port), Owner, PortGuardMode.UntilRegistered, insisted: false).Finding.Should().Be(GuardFinding.InUse);

        guard.Count.Should().Be(0);
    }

    [Fact]
    public void Place_WhatIsKeptAfterADeathAndAChildListensThere_IsInUse()
    {
        using IPortGuard guard = Make();
        GuardedPort first = Place(guard, PortProtocol.Tcp, PortGuardMode.WhileAlive);
        guard.Open(first);
        using Socket? child = Knock.TryTake(first.Port);
        guard.Drop(first with { IsLease = false }, keep: true, now: 0);

        guard.Place(Lease(PortProtocol.Tcp, first.Port), Owner, PortGuardMode.WhileAlive, insisted: false).Finding.Should().Be(GuardFinding.InUse);

        guard.Count.Should().Be(0);
    }

    [Theory]
    [InlineData(PortGuardMode.WhileAlive)]
    [InlineData(PortGuardMode.PassSocket)]
    public void GiveBack_OfALeaseThatTookOverWhatWasKept_WaitsAgainAsLongAsItWould(PortGuardMode mode)
    {
        using IPortGuard guard = Make();
        GuardedPort first = Place(guard, PortProtocol.Tcp, mode);
        guard.Drop(first with { IsLease = false }, keep: true, now: 5);
        GuardedPort second = Another(first, 1);
        guard.Place(second, Owner, mode, insisted: false).Finding.Should().Be(GuardFinding.Free);

        guard.GiveBack(second);

        guard.Count.Should().Be(1);
        Knock.GetsIn(first.Port).Should().BeFalse();
        guard.DropKept(since: 4);
        guard.Count.Should().Be(1, "it is kept since 5");
        guard.DropKept(since: 5);
        guard.Count.Should().Be(0);
    }

    [Fact]
    public void GiveBack_OfALeaseThatTookNothingOver_LetsThePortGo()
    {
        using IPortGuard guard = Make();
        GuardedPort lease = Place(guard, PortProtocol.Tcp, PortGuardMode.WhileAlive);

        guard.GiveBack(Another(lease, 1));
        guard.Count.Should().Be(1, "that was another lease");

        guard.GiveBack(lease);
        guard.Count.Should().Be(0);
    }

    [Theory]
    [InlineData(Owner, true)]
    [InlineData("b2", false)]
    public void Place_PassedSocketIsKept_IsTheSameOneForItsOwnerOnly(string owner, bool isSame)
    {
        using IPortGuard guard = Make();
        GuardedPort first = Place(guard, PortProtocol.Tcp, PortGuardMode.PassSocket);
        Socket kept = guard.Passed(first)!;
        guard.Drop(first with { IsLease = false }, keep: true, now: 0);
        GuardedPort second = Another(first, 1);

        guard.Place(second, owner, PortGuardMode.PassSocket, insisted: false).Finding.Should().Be(GuardFinding.Free);

        ReferenceEquals(guard.Passed(second), kept).Should().Be(isSame, "who waits there waits for {0}", Owner);
        guard.Count.Should().Be(1);
    }

    [Fact]
    public void HandOver_LateAndOfAnOlderClaim_LeavesWhatIsKeptForANewerOne()
    {
        using IPortGuard guard = Make();
        GuardedPort lease = Place(guard, PortProtocol.Tcp, PortGuardMode.WhileAlive);
        guard.Drop(lease with { IsLease = false }, keep: true, now: 0);

        guard.HandOver(Another(lease, -1) with { IsLease = false }, processId: 0);
        guard.Count.Should().Be(1);

        guard.HandOver(Another(lease, 1) with { IsLease = false }, processId: 0);
        guard.Count.Should().Be(0, "a newer one is another's registration on the port");
    }

    [Fact]
    public void Place_WhatAnEarlierClaimLeft_IsTheNewOnesWithoutAMomentInBetween()
    {
        using IPortGuard guard = Make();
        GuardedPort first = Place(guard, PortProtocol.Tcp);

        GuardedPort second = Lease(PortProtocol.Tcp, first.Port);
        guard.Place(second, Owner, PortGuardMode.UntilRegistered, insisted: false).Guarantee.Should().Be(PortGuarantee.Exclusive);

        guard.Drop(first, keep: false, now: 0);
        guard.Open(first).Should().BeFalse();
        Knock.GetsIn(first.Port).Should().BeFalse("what comes late for the first never touches the second's");
        guard.Count.Should().Be(1);
    }

    [Fact]
    public void Place_MaxGuardsReached_IsProbedOnly()
    {
        using SocketGuard guard = new(maxGuards: 1);
        Place(guard, PortProtocol.Tcp).Claim.Guarantee.Should().Be(PortGuarantee.Exclusive);

        GuardedPort past = Place(guard, PortProtocol.Tcp);

        past.Claim.Guarantee.Should().Be(PortGuarantee.ProbedOnly);
        Knock.GetsInSoon(past.Port, reuse: false).Should().BeTrue();
    }

    [Fact]
    public async Task Dispose_WhileOthersPlace_HoldsNothing()
    {
        PortRange range = PortBlock.Take(200);
        SocketGuard guard = new(maxGuards: 1_000);
        using Barrier start = new(3);
        Task[] placing = [.. Enumerable.Range(0, 2).Select(half => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                for (int i = 0; i < 100; i++)
                {
                    guard.Place(Lease(PortProtocol.Tcp, range.First + (half * 100) + i), Owner, PortGuardMode.UntilRegistered, insisted: false);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        start.SignalAndWait();
        SpinWait.SpinUntil(() => guard.Count > 20, Deadline.Default);

        guard.Dispose();
        await Task.WhenAll(placing).Within();

        guard.Count.Should().Be(0);
    }
}
