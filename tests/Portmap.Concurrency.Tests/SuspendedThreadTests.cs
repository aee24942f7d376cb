using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Time.Testing;
using Portmap.Table;

namespace Portmap.Concurrency.Tests;

/// <summary>A thread is suspended between two steps of an operation while others go on: nobody
/// hangs, and nothing ends that should not.</summary>
/// <remarks>The tests make the steps of the suspended thread themselves, one by one, because no
/// scheduler can be told to stop there.</remarks>
public sealed class SuspendedThreadTests : IDisposable
{
    private const int First = 20000;

    private readonly Children _children = new(1);
    private readonly PortRegistry _registry;
    private readonly PortTable _table;
    private readonly Finishing _finishing;
    private readonly PortSession _here;
    private readonly PortSession _there;

    public SuspendedThreadTests()
    {
        // One port, so that losing it shows at once.
        PortRegistryOptions options = new()
        {
            Ports = "20000",
            Strategy = PortRegistryOptions.AllocatorPicks,
            Probe = false,
            ReuseDelay = TimeSpan.Zero,
            LivenessInterval = TimeSpan.FromHours(1),
        };
        _registry = new PortRegistry(options, null, new FakeTimeProvider());
        _table = _registry.Parts.Table;
        _finishing = FinishingOf(_table);
        _here = _registry.OpenSession(Environment.ProcessId);
        _there = _registry.OpenSession(_children.Ids.Single());
    }

    public void Dispose()
    {
        _registry.Dispose();
        _children.Dispose();
    }

    [Fact]
    public async Task Register_LeaseReleasedBetweenDecisionAndPush_DoesNotTakeEffect()
    {
        _there.TryRegister(new PortClaimRequest("a", 1001), out _, out _).Should().BeTrue();
        PortLease lease = Acquire("a");
        OwnerCell cell = CellOf("a");
        PortClaim top = cell.Top;
        PortClaim claim = RegistrationOf(lease, lease.Port);
        lease.TryRelease(out _).Should().BeTrue();

        await PushAndFinishAsync(cell, top, claim);

        claim.Word.WasBound.Should().BeFalse("the lease had been released");
        PortOf("a").Should().Be(1001);
        lease.WhenBound.IsFaulted.Should().BeTrue();
        _registry.AssertInvariants();
    }

    [Fact]
    public async Task Register_ContinuedEntryReleasedBetweenDecisionAndPush_DoesNotComeBack()
    {
        PortLease first = Acquire("a");
        _here.TryRegister(new PortClaimRequest("a", First) { Epoch = first.Epoch }, out PortEntry entry, out _).Should().BeTrue();
        OwnerCell cell = CellOf("a");
        PortClaim registration = cell.Top;
        Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds });   // keeps the owner's cell alive
        PortClaim top = cell.Top;
        PortSession again = _registry.OpenSession(Environment.ProcessId);
        PortClaim claim = RegistrationOf(again, First, entry.Epoch!.Value, registration);
        first.TryRelease(out _).Should().BeTrue();

        await PushAndFinishAsync(cell, top, claim);

        PortOf("a").Should().Be(0, "the host released it");
        _registry.AssertInvariants();
    }

    [Fact]
    public async Task TakeSlot_ByAHelperThatIsLate_LeavesALaterLeaseOpen()
    {
        _here.TryRegister(new PortClaimRequest("a", First), out _, out _).Should().BeTrue();
        PortClaim finishedLongAgo = CellOf("a").Top;
        _here.TryRelease("a", out _).Should().BeTrue();
        PortLease lease = Acquire("b");

        await OnAnotherThread(() => TakeSlot(finishedLongAgo)).Within();

        lease.IsOpen.Should().BeTrue("a process that has left the port does not listen on it");
        _here.TryRegister(new PortClaimRequest("b", First) { Epoch = lease.Epoch }, out _, out _).Should().BeTrue();
        _registry.AssertInvariants();
    }

    [Fact]
    public async Task Register_LeaseEndsBetweenPushAndFinishing_DoesNotLoseThePort()
    {
        Acquire("victim");
        PortLease lease = Acquire(new PortRequest("loser") { Strategy = PortRegistryOptions.ProcessBinds });
        OwnerCell cell = CellOf("loser");
        PortClaim claim = RegistrationOf(lease, First);
        cell.TryPush(cell.Top, claim).Should().BeTrue();
        lease.Claim.TryEnd(ClaimEnd.Released, _registry.NowMs).Should().BeTrue();

        await OnAnotherThread(() => _finishing.Finish(claim, _registry.NowMs)).Within();

        claim.Word.Cause.Should().Be(ClaimEnd.LeaseGone);
        _table.Parts.Index.Retire(cell);
        Acquire("next").Port.Should().Be(First, "nobody has it");
        _registry.AssertInvariants();
    }

    [Fact]
    public async Task Register_ReplacementTookEffectButEndedNothingYet_OthersGetThePortItLeft()
    {
        _here.TryRegister(new PortClaimRequest("a", 1001), out PortEntry entry, out _).Should().BeTrue();
        OwnerCell cell = CellOf("a");
        PortClaim replacement = RegistrationOf(_here, 1002, entry.Epoch!.Value + EpochSource.Spacing);
        cell.TryPush(cell.Top, replacement).Should().BeTrue();
        _table.Parts.Space(PortProtocol.Tcp).Slots.TrySet(1002, null, replacement).Should().BeTrue();
        replacement.TryTakeEffect(replacement.Word, _registry.NowMs).Should().BeTrue();

        await OnAnotherThread(() => Acquire("a")).Within();

        await OnAnotherThread(() => _there.TryRegister(new PortClaimRequest("z", 1001), out _, out _).Should().BeTrue()).Within();
        PortOf("a").Should().Be(1002);
        PortOf("z").Should().Be(1001);
        _registry.AssertInvariants();
    }

    [Fact]
    public async Task Register_LeaseCameOnTopOfAReplacementUnderWay_OthersGetThePortItLeft()
    {
        _here.TryRegister(new PortClaimRequest("a", 1001), out PortEntry entry, out _).Should().BeTrue();
        OwnerCell cell = CellOf("a");
        PortClaim replacement = RegistrationOf(_here, 1002, entry.Epoch!.Value + EpochSource.Spacing);
        cell.TryPush(cell.Top, replacement).Should().BeTrue();
        _table.Parts.Space(PortProtocol.Tcp).Slots.TrySet(1002, null, replacement).Should().BeTrue();
        replacement.TryTakeEffect(replacement.Word, _registry.NowMs).Should().BeTrue();
        PortLease lease = new(_registry, "a");
        PortClaim open = PortClaim.Pending(
            new NewClaim { Protocol = PortProtocol.Tcp, Epoch = entry.Epoch!.Value + (2 * EpochSource.Spacing), Lease = lease }, confirmed: false);
        lease.Grant(open, null);

        await PushAndFinishAsync(cell, replacement, open);

        await OnAnotherThread(() => _there.TryRegister(new PortClaimRequest("z", 1001), out _, out _).Should().BeTrue()).Within();
        PortOf("a").Should().Be(1002);
        PortOf("z").Should().Be(1001);
    }

    private PortLease Acquire(PortRequest request)
    {
        _registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal).Should().BeTrue("it was refused: {0}", refusal?.Message);
        return lease!;
    }

    private PortClaim RegistrationOf(PortLease lease, int port) =>
        RegistrationOf(_here, port, lease.Epoch, lease.Claim);

    private static PortClaim RegistrationOf(PortSession session, int port, long epoch, PortClaim? usesUp = null) =>
        PortClaim.Pending(
            new NewClaim { Protocol = PortProtocol.Tcp, Port = port, Epoch = epoch, Holder = session.Holder, UsesUp = usesUp }, confirmed: false);

    /// <summary>What the suspended thread does when it goes on; that others were faster may make
    /// the push fail.</summary>
    private Task PushAndFinishAsync(OwnerCell cell, PortClaim top, PortClaim claim) => OnAnotherThread(() =>
    {
        if (cell.TryPush(top, claim))
        {
            _finishing.Finish(claim, _registry.NowMs);
        }
    }).Within();

    private void TakeSlot(PortClaim claim) => typeof(Finishing).GetMethod("TakeSlot", BindingFlags.NonPublic | BindingFlags.Instance)!
        .Invoke(_finishing, [claim, _registry.NowMs]);

    private OwnerCell CellOf(string owner) => _table.Parts.Index.Find(PortProtocol.Tcp, owner)!;

    private int PortOf(string owner) => _registry.TryGetPort(owner, out int port) ? port : 0;

    private static Task OnAnotherThread(Action action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_finishing")]
    private static extern ref Finishing FinishingOf(PortTable table);
}
