namespace Portmap.Architecture.Tests.Rules;

/// <summary>The packages that the rules are about.</summary>
internal static class Houses
{
    public static IReadOnlyDictionary<string, Func<House>> All { get; } = new Dictionary<string, Func<House>>
    {
        ["Portmap"] = () => House.Core,
        ["Portmap.Rpc"] = () => House.Wire,
    };
}
