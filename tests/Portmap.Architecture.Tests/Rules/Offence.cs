namespace Portmap.Architecture.Tests.Rules;

/// <summary>
/// One thing that the rules do not allow. Package, rule and name are what a known debt says of it;
/// the amount is in lines, files or parameters.
/// </summary>
internal sealed record Offence(string Package, string Rule, string Name, int Amount, string Where)
{
    public string Key => $"{Package} {Rule} {Name}";

    /// <summary>As KnownDebts.txt has it.</summary>
    public string Line => Amount == 0 ? Key : $"{Key} {Amount}";

    public override string ToString() => $"{Line}: {Where}";
}
