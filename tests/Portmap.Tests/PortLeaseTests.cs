using System.Diagnostics;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>A lease: how it ends, and that whoever waits for it learns why.</summary>
public class PortLeaseTests
{
    [Fact]
    public async Task WhenBound_Registered_CompletesWithTheEntry()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        lease.WhenBound.IsCompleted.Should().BeFalse();

        scene.Here.Register("b1", lease.Port, lease.Epoch);

        PortEntry entry = await lease.WhenBound.Within();
        scene.Registry.TryGetEntry("b1", out PortEntry current).Should().BeTrue();
        entry.Should().Be(current);
    }

    [Fact]
    public async Task WhenBound_LeaseTimeout_FaultsAndThePortCools()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        scene.Clock.Advance(TimeSpan.FromSeconds(59));
        lease.WhenBound.IsCompleted.Should().BeFalse();
        scene.StateOf(lease.Port).Should().Be(PortState.Reserved);

        scene.Clock.Advance(TimeSpan.FromSeconds(2));

        (await lease.WhenBound.RefusalAsync()).Reason.Should().BeOneOf(PortRefusalReason.LeaseEnded, PortRefusalReason.NotListening);
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
        scene.Registry.TryGetEntry("b1", out _).Should().BeFalse();
        scene.Acquire("b1").Epoch.Should().BeGreaterThan(lease.Epoch);
    }

    [Fact]
    public async Task WhenBound_RegistryIsDisposed_FaultsAndSaysWhatToDo()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        scene.Registry.Dispose();

        (await lease.WhenBound.RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1", lease.Epoch, "Acquire again");
    }

    /// <summary>Why nobody signed in is not known here; what the host's calls told the program
    /// is.</summary>
    [Theory]
    [InlineData("prepared by name", "no process signed in within 60 s. Was the program started, did it end (its log and exit code), does it ask for the port by the name 'metric'? Acquire again.")]
    [InlineData("prepared", "no process signed in within 60 s. Was the program started, did it end (its log and exit code), does it ask for the port without a name? Acquire again.")]
    [InlineData("opened", "no process signed in within 60 s. Was the program started, did it end (its log and exit code)? Acquire again.")]
    [InlineData("never", "no process signed in within 60 s, and neither PrepareStart nor OpenGate was called for it. Acquire again, and call one of them before the program starts.")]
    [InlineData("extended", "no process signed in until 2000-01-01 00:02:00Z. Was the program started, did it end (its log and exit code)? Acquire again.")]
    public async Task WhenBound_LeaseTimeout_NamesTheTimeAndTheLikelyCauses(string announced, string message)
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        switch (announced)
        {
            case "prepared by name":
                lease.PrepareStart(new ProcessStartInfo("true"), name: "metric");
                lease.OpenGate();
                break;
            case "prepared":
                lease.PrepareStart(new ProcessStartInfo("true"));
                break;
            case "opened":
                lease.OpenGate();
                break;
            case "extended":
                lease.OpenGate();
                await lease.ExtendAsync(TimeSpan.FromMinutes(2)).AsTask().Within();
                break;
        }

        scene.Clock.Advance(TimeSpan.FromMinutes(2));

        (await lease.WhenBound.RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded)
            .Message.Should().Be($"The lease {lease.Epoch} of b1 on port {lease.Port} ended: {message}");
    }

    [Fact]
    public async Task Register_AfterTheLeaseTimedOut_IsStale()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        scene.Clock.Advance(TimeSpan.FromSeconds(61));
        await Eventually.TrueAsync(() => lease.WhenBound.IsCompleted);

        scene.Here.RegisterRefused("b1", lease.Port, lease.Epoch).ShouldExplain(PortRefusalReason.Stale, "b1", lease.Epoch);
    }

    [Fact]
    public async Task LeaseTimeout_Registered_EndsNothing()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        scene.Here.Register("b1", lease.Port, lease.Epoch);

        scene.Clock.Advance(TimeSpan.FromMinutes(10));

        scene.PortOf("b1").Should().Be(lease.Port);
    }

    [Fact]
    public async Task ReleaseAsync_Unregistered_EndsTheLeaseAndTheWait()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");

        await lease.ReleaseAsync().Within();

        (await lease.WhenBound.RefusalAsync()).ShouldExplain(PortRefusalReason.LeaseEnded, "b1");
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task ReleaseAsync_Twice_IsIdempotent()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        await lease.ReleaseAsync().Within();
        scene.Clock.Advance(TimeSpan.FromMinutes(2));
        PortLease other = scene.Acquire(new PortRequest("b2") { Previous = lease.Port, Reuse = PortReuse.Require });

        await lease.ReleaseAsync().Within();

        scene.StateOf(other.Port).Should().Be(PortState.Reserved, "the second release is not of this claim");
    }

    [Fact]
    public async Task ReleaseAsync_Bound_EndsTheEntryOfAnotherProcessToo()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        scene.SessionOf(scene.StartChild()).Register("b1", lease.Port, lease.Epoch);

        await lease.ReleaseAsync().Within();

        scene.PortOf("b1").Should().Be(0);
        scene.StateOf(lease.Port).Should().Be(PortState.Cooling);
    }

    [Fact]
    public async Task ReleaseAsync_NewerLeaseOfTheOwner_IsLeftAlone()
    {
        await using Scene scene = new();
        PortLease old = scene.Acquire("b1");
        scene.Here.Register("b1", old.Port, old.Epoch);
        PortLease next = scene.Acquire("b1");
        scene.Here.Register("b1", next.Port, next.Epoch);

        old.TryRelease(out _);

        scene.PortOf("b1").Should().Be(next.Port);
    }

    [Fact]
    public async Task ReleaseAsync_BoundWhileANewerLeaseIsOpen_EndsOnlyTheOld()
    {
        await using Scene scene = new();
        PortLease old = scene.Acquire("b1");
        scene.Here.Register("b1", old.Port, old.Epoch);
        PortLease next = scene.Acquire("b1");

        await old.ReleaseAsync().Within();

        scene.PortOf("b1").Should().Be(0);
        scene.StateOf(next.Port).Should().Be(PortState.Reserved);
        scene.Here.Register("b1", next.Port, next.Epoch).State.Should().Be(PortState.Bound);
    }

    [Fact]
    public async Task WhenBound_AnotherOwnersProcessListens_FaultsAsTakenNamingTheWinner()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("b1");
        Child winner = scene.StartChild();

        scene.SessionOf(winner).Register("winner", lease.Port);

        PortRefusal refusal = (await lease.WhenBound.RefusalAsync()).ShouldExplain(PortRefusalReason.Taken, "winner", lease.Port);
        refusal.Holder.Should().Be("winner");
        refusal.HolderProcessId.Should().Be(winner.Id);
        scene.PortOf("winner").Should().Be(lease.Port);
        scene.OwnersOn(lease.Port).Should().Equal("winner");
        scene.Acquire("b1").Port.Should().NotBe(lease.Port);
    }
}
