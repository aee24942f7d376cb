namespace Portmap.Docs.Tests;

/// <summary>The tables of what the gate does not measure: each row that must reach something has
/// reached it.</summary>
public class FigureTests
{
    [Theory]
    [InlineData("benchmarks/WIRE.md", 6)]
    [InlineData("benchmarks/FLEET.md", 7)]
    public void Table_EachRowThatMustReachSomething_HasReachedIt(string page, int count)
    {
        string[][] rows = [.. Pages.Rows(page).Where(row => row.Length == 6 && row[4].Length > 0 && row[4] != "must reach")];

        rows.Should().HaveCount(count).And.OnlyContain(row => row[5] == "reached");
        rows.Where(row => row[4].EndsWith('×')).Should().OnlyContain(row => row[3].Length > 0, "it was compared");
    }
}
