namespace Portmap.Architecture.Tests.Rules;

/// <summary>
/// Offences that stood when the rules were made, one a line of KnownDebts.txt. The list only
/// shrinks: what is paid has to be struck out.
/// </summary>
internal sealed class KnownDebts
{
    public const string Heading = """
        # What the house owes: package, rule, name, and for sizes how much.
        # A line may go, or get a lower number; none may come. What is paid has to be struck out.
        # What is owed now: dotnet run --project tests/Portmap.Architecture.Tests -- debts
        """;

    private readonly Dictionary<string, int> _amounts = [];

    public KnownDebts(IEnumerable<string> lines)
    {
        foreach (string line in lines.Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
        {
            int last = line.LastIndexOf(' ');
            bool counted = int.TryParse(line[(last + 1)..], out int amount);
            _amounts.Add(counted ? line[..last] : line, amount);
        }
    }

    public static string File => Path.Combine(RepositoryFiles.Root, "tests/Portmap.Architecture.Tests/KnownDebts.txt");

    public static KnownDebts Read() => new(System.IO.File.ReadLines(File));

    /// <summary>What is not on the list, or is worse than the list says.</summary>
    public IEnumerable<Offence> NotAmong(IEnumerable<Offence> offences) =>
        offences.Where(offence => !_amounts.TryGetValue(offence.Key, out int amount) || offence.Amount > amount);

    /// <summary>What is on the list and no longer true.</summary>
    public IEnumerable<string> Paid(IEnumerable<Offence> offences) => _amounts.Keys.Except(offences.Select(offence => offence.Key));
}
