using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>No owner is refused while there is room for one, wherever its credit comes
/// back.</summary>
public sealed class OwnerCreditsTests : IDisposable
{
    private const int Rounds = 100;

    public void Dispose() => Hook.Reached = null;

    [Fact]
    public void TryTake_CreditComesBackToAStripeThatWasPassed_IsFound()
    {
        int moved = 0;
        for (int round = 0; round < Rounds; round++)
        {
            // Two stripes with one credit each; this thread takes its own, so the other stripe has
            // the last one.
            OwnerCredits credits = new(2, 2);
            credits.TryTake().Should().BeTrue();
            Hook.Reached = step =>
            {
                if (step == Step.TakeCredit)
                {
                    // At the other stripe, its own passed already: somebody takes that credit and
                    // gives it back to this one.
                    Hook.Reached = null;
                    moved += credits.TryTake() ? 1 : 0;
                    credits.Return();
                }
            };
            credits.TryTake().Should().BeTrue("one is free all the time");
            Hook.Reached = null;
            credits.EstimatedFree.Should().Be(0);
            credits.TryTake().Should().BeFalse("none is");
        }

        moved.Should().Be(Rounds);
    }

    [Fact]
    public void TryTake_CreditsInAnyStripe_AreAllFound()
    {
        foreach (int maximum in (int[])[1, 2, 3, 63, 64, 65, 1_000])
        {
            OwnerCredits credits = new(maximum, 64);
            for (int i = 0; i < maximum; i++)
            {
                credits.TryTake().Should().BeTrue();
            }

            credits.TryTake().Should().BeFalse();
            credits.Return();
            credits.TryTake().Should().BeTrue();
        }
    }
}
