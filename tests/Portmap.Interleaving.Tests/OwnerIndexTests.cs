using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>Of two cells of one owner the later has the higher epochs, whoever comes and goes while
/// it is being added.</summary>
public sealed class OwnerIndexTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Fact]
    public void TryInsert_CellOfAHigherEpochDiesBetweenAnyTwoSteps_IsNeverInsertedBelowIt()
    {
        List<OwnerInsertion> met = [];
        EachStep.Play(step =>
        {
            OwnerIndex index = new(maxOwners: 16, processors: 1, seed: 1);
            OwnerCell higher = CellOf(epoch: 320), lower = CellOf(epoch: 160);
            index.TryInsert(higher).Should().Be(OwnerInsertion.Inserted);
            higher.Top.TryEnd(ClaimEnd.Withdrawn, now: 0);

            OwnerInsertion inserted = step.Interrupt(() => index.TryInsert(lower), _ => index.Retire(higher).Should().BeTrue());

            inserted.Should().NotBe(OwnerInsertion.Inserted, "step {0}: one of a higher epoch was there before", step.Number);
            met.Add(inserted);
        });

        met.Should().Contain(OwnerInsertion.Outrun).And.Contain(OwnerInsertion.Raced);
    }

    private static OwnerCell CellOf(long epoch) =>
        new("a", PortProtocol.Tcp, 1, PortClaim.Pending(new NewClaim { Protocol = PortProtocol.Tcp, Epoch = epoch }, confirmed: false));
}
