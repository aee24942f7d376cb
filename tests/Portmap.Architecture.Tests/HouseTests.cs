using Portmap.Architecture.Tests.Rules;

namespace Portmap.Architecture.Tests;

/// <summary>
/// How the house must stand. A failure names the edge, the type or the method, and where it is.
/// </summary>
public class HouseTests
{
    public static IEnumerable<object[]> EachRule { get; } =
        from package in Houses.All.Keys
        from rule in HouseRules.All.Keys
        select new object[] { package, rule };

    [Theory]
    [MemberData(nameof(EachRule))]
    public void House_Rule_HoldsButForKnownDebts(string package, string rule) =>
        Lines(KnownDebts.Read().NotAmong(HouseRules.All[rule](Houses.All[package]()))).Should().BeEmpty();

    [Fact]
    public void KnownDebts_EachLine_IsStillOwed() =>
        Lines(KnownDebts.Read().Paid(Houses.All.Values.SelectMany(house => HouseRules.Of(house())))).Should()
            .BeEmpty("a debt that is paid is struck out of KnownDebts.txt");

    /// <summary>
    /// The closed table: what a slot, a cell or a word is made of is read and written inside it.
    /// </summary>
    [Theory]
    [InlineData("ClaimWord")]
    [InlineData("Endings")]
    [InlineData("Finishing")]
    [InlineData("FreePorts")]
    [InlineData("LastPorts")]
    [InlineData("OwnerCell")]
    [InlineData("OwnerCredits")]
    [InlineData("OwnerIndex")]
    [InlineData("PortSlots")]
    [InlineData("PortSpace")]
    [InlineData("TableParts")]
    public void Table_TypeThatIsItsInside_IsKnownToTheTableOnly(string inside)
    {
        House core = House.Core;
        core.Rooms[inside].Should().Be("Table");
        core.Edges.Should().Contain(edge => edge.To == inside, "else the rule is about nothing");
        Lines(core.Edges.Where(edge => edge.To == inside && core.Rooms[edge.From] != "Table").Select(edge => $"{edge.Name}, in {edge.Where}")).Should().BeEmpty();
    }

    private static string Lines<T>(IEnumerable<T> offences) => string.Join('\n', offences);
}
