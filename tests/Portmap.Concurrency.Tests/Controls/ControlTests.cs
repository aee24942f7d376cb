using Portmap.Concurrency.Tests.Audit;

namespace Portmap.Concurrency.Tests.Controls;

/// <summary>A detector that has never caught anything proves nothing: each must catch its seeded
/// bug, and pass the copy without one.</summary>
public class ControlTests
{
    [Fact]
    public async Task Audit_BookWithoutABug_FindsNothing()
    {
        BrokenPortBook book = new(SeededBug.None);

        await new StressPlan(Seed: 1).RunAsync(book);

        (await PortBookAudit.FindFaultsAsync(book, StressPlan.Owners)).Should().BeEmpty();
    }

    [Theory]
    [InlineData("PortCheckThenAct", "is held twice")]
    [InlineData("OwnerCheckThenAct", "holds two")]
    [InlineData("LostEnding", "was lost")]
    public async Task Audit_SeededBug_IsCaught(string bug, string fault)
    {
        // How often threads meet in the window is the scheduler's business, so it gets several
        // runs.
        for (int seed = 0; seed < 500; seed++)
        {
            BrokenPortBook book = new(Enum.Parse<SeededBug>(bug));
            await new StressPlan(seed, OperationsPerThread: 60).RunAsync(book);
            if ((await PortBookAudit.FindFaultsAsync(book, StressPlan.Owners)).Exists(found => found.Contains(fault, StringComparison.Ordinal)))
            {
                return;
            }
        }

        Assert.Fail($"'{bug}' was not caught in 500 runs");
    }

    [Fact]
    public async Task ReplacementReader_BookWithoutABug_SeesNoGap() =>
        (await ReplacementReader.CountGapsAsync(new BrokenPortBook(SeededBug.None), replacements: 5_000)).Should().Be(0);

    [Fact]
    public async Task ReplacementReader_GapInReplacement_IsCaught() =>
        (await ReplacementReader.CountGapsAsync(new BrokenPortBook(SeededBug.GapInReplacement), replacements: 200_000, stopAtFirst: true))
            .Should().BePositive();
}
