using Portmap.Architecture.Tests.Rules;

namespace Portmap.Architecture.Tests;

/// <summary>
/// Prints how the packages stand; with "debts", what is owed now, as KnownDebts.txt has it.
/// </summary>
internal static class Program
{
    private static void Main(string[] args)
    {
        if (args is ["debts"])
        {
            Console.WriteLine(KnownDebts.Heading);
        }

        foreach (Func<House> house in Houses.All.Values)
        {
            if (args is ["debts"])
            {
                HouseRules.Of(house()).Select(offence => offence.Line).Order(StringComparer.Ordinal).ToList().ForEach(Console.WriteLine);
            }
            else
            {
                Tables.Print(house(), Console.Out);
            }
        }
    }
}
