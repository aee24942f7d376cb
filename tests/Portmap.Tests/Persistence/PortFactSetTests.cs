using CsCheck;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

public class PortFactSetTests
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);

    [Fact]
    public void PortFact_Object_TakesAtMost96Bytes()
    {
        const int Facts = 1_000;
        PortFact[] kept = new PortFact[Facts];
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Facts; i++)
        {
            kept[i] = new PortFact();
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThanOrEqualTo(96 * Facts);
        GC.KeepAlive(kept);
    }

    [Fact]
    public void Apply_AnyOrderAndAnyNumberOfTimes_GivesTheSameFacts() =>
        Gen.Select(FactGen.Fact.Array[1, 40], Gen.Int).SampleSeeds(input =>
        {
            (PortFact[] facts, int seed) = input;
            PortFact[] twice = [.. facts, .. facts];
            new Random(seed).Shuffle(twice);
            FactGen.Standing(twice).Should().Equal(FactGen.Standing(facts));
        });

    [Fact]
    public void Apply_Facts_KeepsOfEachClaimTheHighestEpochAndState() =>
        FactGen.Fact.Array[1, 40].SampleSeeds(facts =>
        {
            // The specification, written another way.
            var expected = facts.Where(fact => !fact.IsMark)
                .GroupBy(fact => (fact.Protocol, fact.Port, fact.Owner))
                .Select(group => (group.Key, group.Max(fact => (fact.Epoch, fact.State, fact.At))));
            PortFactSet set = FactGen.SetOf(facts);

            set.Claims.Select(fact => ((fact.Protocol, fact.Port, fact.Owner), (fact.Epoch, fact.State, fact.At))).Should().BeEquivalentTo(expected);
            (set.Mark?.Epoch).Should().Be(facts.Where(fact => fact.IsMark).Max(fact => (long?)fact.Epoch));
        });

    [Fact]
    public void Forget_EndedFacts_KeepsOfEachPortTheLast()
    {
        PortFactSet set = FactGen.SetOf(
            FactGen.Ended("cools", 50_000, 16, s_now.AddSeconds(1)),
            FactGen.Ended("cooled", 50_001, 32, s_now),
            FactGen.Ended("earlier", 50_002, 48, s_now.AddSeconds(1)),
            FactGen.Bound("later", 50_002, 64),
            FactGen.Bound("lives", 50_003, 80),
            FactGen.Ended("brings its port", 0, 96, s_now.AddSeconds(1)),
            FactGen.Bound("another without a port", 0, 112),
            FactGen.Ended("brought its port", 0, 128, s_now));

        set.Forget(s_now);

        set.Claims.Select(fact => fact.Owner).Should().BeEquivalentTo("cools", "cooled", "later", "lives", "brings its port", "another without a port");
    }

    /// <summary>The times of facts are those of the registry, whose clock is never set
    /// back.</summary>
    [Fact]
    public void Forget_WallClockSetBackSinceAnEndWithoutAPort_DropsIt()
    {
        PortFactSet set = FactGen.SetOf(new PortFact { Owner = "brought its port", Epoch = 16, State = PortState.Cooling, At = s_now.AddDays(1), Until = s_now.AddDays(1) });

        set.Forget(s_now);

        set.Count.Should().Be(0);
    }

    [Fact]
    public void Forget_EndOfWhatCameToNothing_IsDroppedAndTakesNothingFromTheLastOwner()
    {
        PortFact last = FactGen.Ended("had it", 50_000, 16, s_now), cools = FactGen.Ended("cools", 50_001, 32, s_now.AddSeconds(1));
        PortFactSet set = FactGen.SetOf(
            last, FactGen.Ended("never had it", 50_000, 48, DateTimeOffset.UnixEpoch), cools, FactGen.Reserved("was refused", 50_001, 64), FactGen.Ended("was refused", 50_001, 64, DateTimeOffset.UnixEpoch));

        set.Forget(s_now);

        set.Claims.Should().BeEquivalentTo([last, cools]);
    }

    [Fact]
    public void Forget_BetweenTwoBatches_ChangesNothingThatForgettingAtTheEndDoesNot() =>
        Gen.Select(FactGen.Fact.Array[1, 40], FactGen.FactFrom(10).Array[1, 40]).SampleSeeds(input =>
        {
            (PortFact[] first, PortFact[] second) = input;
            // Later claims have higher epochs: that much the registry promises of each port and
            // owner.
            PortFactSet early = FactGen.SetOf(first);
            early.Forget(s_now);
            Array.ForEach(second, early.Apply);
            early.Forget(s_now);
            PortFactSet late = FactGen.SetOf([.. first, .. second]);
            late.Forget(s_now);

            FactGen.Lines(early).Should().Equal(FactGen.Lines(late));
        });
}
