using System.Collections.Concurrent;

namespace Portmap.Etcd.Leasing;

/// <summary>The claims this host holds, by owner.</summary>
/// <remarks>Safe for any thread.</remarks>
internal sealed class HeldClaims
{
    private readonly ConcurrentDictionary<string, FleetClaim> _claims = new(StringComparer.Ordinal);

    /// <summary>All of them, at about one moment.</summary>
    public IEnumerable<FleetClaim> All => _claims.Select(pair => pair.Value);

    public bool TryAdd(FleetClaim claim) => _claims.TryAdd(claim.Owner, claim);

    public void Remove(FleetClaim claim) => _claims.TryRemove(new KeyValuePair<string, FleetClaim>(claim.Owner, claim));

    public FleetClaim? Find(string owner) => _claims.GetValueOrDefault(owner);

    /// <summary>The epoch under which this host holds the owner, or 0.</summary>
    public long EpochOf(string owner) => _claims.IsEmpty ? 0 : Find(owner) is { IsHeld: true } claim ? claim.Epoch : 0;
}
