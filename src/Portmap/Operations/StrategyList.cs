namespace Portmap.Operations;

/// <summary>The strategies of a registry, by the names they had when it was made: a host's own may
/// answer another one later.</summary>
internal sealed class StrategyList
{
    private readonly IPortAllocationStrategy[] _strategies;
    private readonly string[] _names;
    private readonly int _default;

    /// <param name="strategies">The strategies; their names differ.</param>
    /// <param name="chosen">The name of the default one.</param>
    public StrategyList(IPortAllocationStrategy[] strategies, string chosen)
    {
        _strategies = strategies;
        _names = Array.ConvertAll(strategies, static strategy => strategy.Name);
        _default = Array.IndexOf(_names, chosen);
    }

    public IReadOnlyList<string> Names => _names;

    public byte Default => (byte)_default;

    public IPortAllocationStrategy this[byte strategy] => _strategies[strategy];

    public string NameOf(byte strategy) => _names[strategy];

    /// <summary>Finds one by its name; null is the default.</summary>
    public bool TryFind(string? name, out byte strategy)
    {
        // A loop, not a lambda: this is on the path of every acquisition, and a closure would be 88
        // bytes.
        int found = name is null ? _default : _names.Length - 1;
        while (name is not null && found >= 0 && _names[found] != name)
        {
            found--;
        }

        strategy = (byte)Math.Max(found, 0);
        return found >= 0;
    }
}
