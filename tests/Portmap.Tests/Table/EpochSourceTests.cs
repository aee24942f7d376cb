using CsCheck;
using Portmap.Table;
using Portmap.TestKit.Processes;

namespace Portmap.Tests.Table;

/// <summary>Numbers of several processors: each once, and above whatever the caller
/// names.</summary>
public class EpochSourceTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(64)]
    [InlineData(200)]
    public void Next_AnyNumberNamedOnAnyProcessor_IsHigherAndUnique(int processors) =>
        Gen.Select(Gen.Int[0, 63], Gen.Long[-10, 1L << 40]).Array[50].SampleSeeds(
            draws =>
            {
                EpochSource epochs = new(16_384, processors);
                HashSet<long> drawn = [];
                foreach ((int processor, long after) in draws)
                {
                    long next = Processor.Count == 1 ? epochs.Next(after) : Processor.Run(processor, () => epochs.Next(after));
                    if (next <= Math.Max(after, 16_384) || next > epochs.Last || next % EpochSource.Spacing != 0 || !drawn.Add(next))
                    {
                        return false;
                    }
                }

                return true;
            },
            inputs: 20);

    [Fact]
    public void Next_TheSameNumberNamedOnTwoProcessors_IsUnique()
    {
        EpochSource epochs = new(16_384, 2);
        long[] drawn = [.. Enumerable.Range(0, 20).Select(i => Processor.Run(i % 2, () => epochs.Next(16_384)))];

        drawn.Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public void Next_MoreThanOneTakesAtOnce_AreAboveWhatIsNamed()
    {
        EpochSource epochs = new(16_384, 2), others = new(1L << 40, 2);
        long last = 0;
        for (int i = 0; i < 100; i++)
        {
            long next = epochs.Next(i % 7 == 0 ? last + 1_000 : last);
            next.Should().BeGreaterThan(i % 7 == 0 ? last + 1_000 : last).And.BeLessThan(1L << 40, "the numbers of another registry are others");
            last = next;
            others.Next(0);
        }
    }

    [Fact]
    public void Next_ANumberNamedWithinWhatTheThreadHasTaken_IsPassed()
    {
        EpochSource epochs = new(16_384, 2);
        long last = epochs.Next(0);
        for (int i = 0; i < 200; i++)
        {
            long after = last + (i % 5 * EpochSource.Spacing);

            last = epochs.Next(after);

            last.Should().BeGreaterThan(after);
        }
    }

    [Fact]
    public void Next_ManyThreads_IsUnique()
    {
        EpochSource epochs = new(0, Environment.ProcessorCount);
        long[] drawn = new long[200_000];

        Parallel.For(0, drawn.Length, i => drawn[i] = epochs.Next(i * 3L));

        drawn.Should().OnlyHaveUniqueItems();
    }
}
