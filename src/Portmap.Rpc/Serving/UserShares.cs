using System.Globalization;
using Portmap.Rpc.Peers;

namespace Portmap.Rpc.Serving;

/// <summary>
/// What each user holds over all its connections; root and the daemon's user are not counted.
/// </summary>
/// <remarks>Safe for any thread.</remarks>
internal sealed class UserShares(PortRegistry registry, ServerLimits limits, TimeProvider timeProvider)
{
    /// <summary>
    /// From how many on those are dropped that hold nothing and have no connection: addresses of
    /// other hosts are without number.
    /// </summary>
    private const int Many = 1_024;

    /// <summary>
    /// Between two looks through all of them, or each address that comes would cost one.
    /// </summary>
    private static readonly TimeSpan s_lookInterval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, OwnerShare> _shares = [];
    private long? _lookedAt;

    /// <summary>Finds the share that a connection counts in. Until it leaves it, whoever else comes
    /// for the same user finds the same one, also while that holds nothing.</summary>
    /// <returns>
    /// The share of the peer's user, of its address where no user is known; null when it is not
    /// counted.
    /// </returns>
    public OwnerShare? Join(Peer peer)
    {
        if (peer.IsTrusted)
        {
            return null;
        }

        string user = peer.UserId is { } id ? string.Create(CultureInfo.InvariantCulture, $"user {id}") : peer.Origin;
        lock (_gate)
        {
            if (!_shares.TryGetValue(user, out OwnerShare? share))
            {
                DropEmptyIfMany();
                share = new OwnerShare(registry, timeProvider, LimitsOf(user));
                _shares.Add(user, share);
            }

            share.Connections++;
            return share;
        }
    }

    /// <summary>Says that a connection counts nothing more in its share.</summary>
    public void Leave(OwnerShare share)
    {
        lock (_gate)
        {
            share.Connections--;
        }
    }

    // Most leases of theirs have run out without a word, and nobody asks for those of an address
    // that does not come again.
    private void DropEmptyIfMany()
    {
        if (_shares.Count < Many || (_lookedAt is { } looked && timeProvider.GetElapsedTime(looked) < s_lookInterval))
        {
            return;
        }

        _lookedAt = timeProvider.GetTimestamp();
        foreach ((string other, _) in _shares.Where(pair => pair.Value.Connections == 0 && pair.Value.HoldsNothing()).ToArray())
        {
            _shares.Remove(other);
        }
    }

    private ShareLimits LimitsOf(string user)
    {
        (IReadOnlyList<PortRange> ranges, int maxOwners) = registry.Bounds;
        return new ShareLimits
        {
            Owners = Math.Min(limits.OwnersPerUser, Math.Max(1, maxOwners / 2)),
            OwnersName = $"{nameof(PortmapServerOptions.MaxOwnersPerUser)}, and half of {nameof(PortRegistryOptions.MaxOwners)}",
            Ranges = ranges,
            Ports = Math.Min(limits.PortsPerUser, Math.Max(1, ranges.Sum(range => range.Count) / 2)),
            By = $"by {user}",
            Remedy = "release one, let leases that are not used time out, or have root or the daemon's user ask",
        };
    }
}
