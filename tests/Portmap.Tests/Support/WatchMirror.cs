namespace Portmap.Tests.Support;

/// <summary>A map that is kept from changes alone, by the rule that <see cref="PortChange"/>
/// states.</summary>
internal sealed class WatchMirror
{
    private readonly Dictionary<(PortProtocol, string, long?), PortEntry> _claims = [];

    public IEnumerable<PortEntry> Claims => _claims.Values;

    public void Start(IEnumerable<PortEntry> snapshot)
    {
        foreach (PortEntry entry in snapshot.Where(IsClaim))
        {
            _claims[Key(entry)] = entry;
        }
    }

    public void Apply(PortChange change)
    {
        switch (change.Kind)
        {
            case PortChangeKind.Acquired or PortChangeKind.Registered or PortChangeKind.GuaranteeChanged:
                _claims[Key(change.Entry)] = change.Entry;
                break;
            case PortChangeKind.FoundForeign:
                break;
            default:
                _claims.Remove(Key(change.Entry));
                break;
        }
    }

    /// <summary>What lookups answer for an owner: its Bound claim of the highest epoch, else its
    /// lease.</summary>
    public PortEntry? Current(PortProtocol protocol, string owner) => _claims.Values
        .Where(entry => entry.Protocol == protocol && entry.Owner == owner && entry.State != PortState.Recovered)
        .OrderByDescending(entry => (entry.State == PortState.Bound, entry.Epoch))
        .Cast<PortEntry?>().FirstOrDefault();

    public static bool IsClaim(PortEntry entry) => entry.State is PortState.Reserved or PortState.Bound or PortState.Recovered;

    private static (PortProtocol, string, long?) Key(PortEntry entry) => (entry.Protocol, entry.Owner, entry.Epoch);
}
