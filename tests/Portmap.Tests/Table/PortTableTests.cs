using System.Collections.Immutable;
using Portmap.Operations;
using Portmap.Table;
using Portmap.Tests.Support;

namespace Portmap.Tests.Table;

/// <summary>Steps of the table that only a race, or a number that two names share, leads
/// to.</summary>
public sealed class PortTableTests
{
    private static PortClaim Ended => PortClaim.ForCooling(
        new NewClaim { Protocol = PortProtocol.Tcp, Port = Scene.First, Epoch = 16 }, Cell("a", PortProtocol.Tcp), ClaimEnd.Released, endedAt: 0);

    [Fact]
    public void Is_OtherProtocolOfTheSameHash_IsAnotherOwner()
    {
        OwnerCell cell = Cell("a", PortProtocol.Udp);

        cell.Is(PortProtocol.Udp, "a", 1).Should().BeTrue();
        cell.Is(PortProtocol.Tcp, "a", 1).Should().BeFalse();
    }

    [Fact]
    public void TryInsert_OwnerWhoseCellHasDied_TheNewOneKnowsItsLastRegistration()
    {
        OwnerIndex index = new(maxOwners: 16, processors: 1, seed: 1, isRemembered: _ => true);
        PortClaim last = Ended;
        OwnerCell dead = Cell("a", PortProtocol.Tcp), next = new("a", PortProtocol.Tcp, 1, PortClaim.Pending(new NewClaim { Protocol = PortProtocol.Tcp, Epoch = 32 }, confirmed: false));
        dead.Remember(last);
        index.TryInsert(dead).Should().Be(OwnerInsertion.Inserted);

        index.TryInsert(next).Should().Be(OwnerInsertion.Inserted);

        next.Last.Should().BeSameAs(last);
    }

    [Fact]
    public async Task TryMarkForeign_AProcessRegisteredMeanwhile_LeavesItsPort()
    {
        await using Scene scene = new();
        scene.Here.Register("a", Scene.First);

        scene.Registry.Parts.Table.TryMarkForeign(PortProtocol.Tcp, Scene.First, now: 0).Should().BeFalse();

        scene.StateOf(Scene.First).Should().Be(PortState.Bound);
        scene.PortOf("a").Should().Be(Scene.First);
    }

    [Fact]
    public async Task TooManyOwners_PortThatWasTakenForTheOneTooMany_IsFreeAgain()
    {
        await using Scene scene = new("20000", options => options.MaxOwners = 1);
        PortLease only = scene.Acquire(new PortRequest("a") { Strategy = PortRegistryOptions.ProcessBinds });
        for (int i = 0; i < 3; i++)
        {
            scene.AcquireRefused("b").Reason.Should().Be(PortRefusalReason.TooManyOwners);
        }

        only.TryRelease(out _).Should().BeTrue();
        scene.Acquire("c").Port.Should().Be(20_000);
    }

    [Fact]
    public async Task Exhausted_OwnersThatShareAPort_CountAsOnePort()
    {
        await using Scene scene = new("20000-20001");
        scene.Here.Register("a", 20_000);
        scene.Here.Register("b", 20_000);
        scene.Acquire("c").Port.Should().Be(20_001);

        scene.AcquireRefused("d").ShouldExplain(PortRefusalReason.Exhausted, "1 are bound", "1 reserved");
    }

    [Fact]
    public async Task Exhausted_AfterOwnersThatSharedAPort_OnePortCools()
    {
        await using Scene scene = new("20000-20001", options => options.ReuseCooling = false);
        scene.Here.Register("a", 20_000);
        scene.Here.Register("b", 20_000);
        scene.Here.TryRelease("a", out _).Should().BeTrue();
        scene.Here.TryRelease("b", out _).Should().BeTrue();
        scene.Acquire("c").Port.Should().Be(20_001);

        scene.AcquireRefused("d").ShouldExplain(PortRefusalReason.Exhausted, "0 are bound", "1 reserved", "1 cooling");
    }

    [Fact]
    public async Task Look_RegistrationWasRefusedAboveAnOpenLease_ThePortIsInUse()
    {
        await using Scene scene = new($"{Scene.First}");
        PortLease lease = scene.Acquire("a");
        PortTable table = scene.Registry.Parts.Table;
        PortClaim refused = PortClaim.Pending(
            new NewClaim { Protocol = PortProtocol.Tcp, Port = Scene.First, Epoch = lease.Epoch + EpochSource.Spacing, Holder = new SessionHolder(scene.Registry.Parts.Sessions, 0, userId: null) }, confirmed: false);
        OwnerCell cell = lease.Claim.Cell!;
        cell.TryPush(cell.Top, refused).Should().BeTrue();
        table.Parts.Space(PortProtocol.Tcp).Slots.TrySet(Scene.First, lease.Claim, refused).Should().BeTrue();
        refused.TryEnd(ClaimEnd.StoreFailed, now: 0).Should().BeTrue();

        table.Ports.Look(PortProtocol.Tcp, Scene.First, asksFor: null, takeCooling: false, now: 0).Availability.Should().Be(PortAvailability.InUse);
        scene.AcquireRefused("b").Reason.Should().Be(PortRefusalReason.Exhausted);
    }

    [Fact]
    public void Append_OfAClaimThatHasEnded_TellsNothing()
    {
        ChangeLog log = new(capacity: 16, first: 0);
        log.StartAndGetRevision();

        log.Append(PortChangeKind.Registered, new EntryFacts(new ClaimView(Ended)) { State = PortState.Bound }, new ClaimView(Ended));

        log.TryRead(after: 0, _ => default, out ImmutableArray<PortChange> changes).Should().BeTrue();
        changes.Should().BeEmpty("its end was told, or will be");
    }

    private static OwnerCell Cell(string owner, PortProtocol protocol) => new(owner, protocol, hash: 1, PortClaim.Dead);
}
