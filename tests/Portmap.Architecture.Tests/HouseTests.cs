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

    private static string Lines<T>(IEnumerable<T> offences) => string.Join('\n', offences);
}
