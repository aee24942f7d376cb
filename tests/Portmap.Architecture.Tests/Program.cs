using Portmap.Architecture.Tests.Rules;

namespace Portmap.Architecture.Tests;

/// <summary>
/// Prints how the packages stand; with "debts", what is owed now, as KnownDebts.txt has it.
/// </summary>
internal static class Program
{
    private static void Main(string[] args)
    {
        List<House> houses = [.. Houses.All.Values.Select(house => house())];
        if (args is ["debts"])
        {
            Console.WriteLine(KnownDebts.Heading);
            houses.SelectMany(HouseRules.Of).Select(offence => offence.Line).Order(StringComparer.Ordinal).ToList().ForEach(Console.WriteLine);
            return;
        }

        Tables.PrintFigures(houses, Console.Out);
        houses.ForEach(house => Tables.PrintRooms(house, Console.Out));
    }
}
