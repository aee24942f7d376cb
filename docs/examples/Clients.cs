using Portmap;
using Portmap.Rpc;

namespace Examples;

/// <summary>A process that asks the daemon.</summary>
public static class Clients
{
    public static async Task<int?> FindAsync()
    {
        await using PortmapClient client = await PortmapClient.ConnectAsync();
        PortEntry? entry = await client.GetEntryAsync("web");
        return entry is { State: PortState.Bound } ? entry.Value.Port : null;
    }

    /// <summary>Keeps a copy of the map. A claim is known by its protocol, owner and
    /// epoch.</summary>
    public static async Task MirrorAsync(PortmapClient client, Action<IReadOnlyCollection<PortEntry>> onChange, CancellationToken cancellationToken)
    {
        Dictionary<(PortProtocol Protocol, string Owner, long? Epoch), PortEntry> mirror = [];
        await foreach (PortUpdate update in client.WatchAsync(cancellationToken: cancellationToken))
        {
            if (update.Snapshot is { } snapshot)
            {
                mirror.Clear();
                foreach (PortEntry entry in snapshot.Entries.Where(entry => entry.State is PortState.Bound or PortState.Reserved or PortState.Recovered))
                {
                    mirror[(entry.Protocol, entry.Owner, entry.Epoch)] = entry;
                }
            }

            foreach (PortChange change in update.Changes.Where(change => change.Kind != PortChangeKind.FoundForeign))
            {
                PortEntry entry = change.Entry;
                if (change.Kind is PortChangeKind.Acquired or PortChangeKind.Registered or PortChangeKind.GuaranteeChanged)
                {
                    mirror[(entry.Protocol, entry.Owner, entry.Epoch)] = entry;
                }
                else
                {
                    mirror.Remove((entry.Protocol, entry.Owner, entry.Epoch));
                }
            }

            onChange(mirror.Values);
        }
    }
}
