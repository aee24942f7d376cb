using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Portmap.Etcd.Mirroring;

/// <summary>The fleet's entries in memory: by owner for readers, by host for the one
/// writer.</summary>
/// <remarks>
/// <para>I1. For each (host, owner, protocol) there is at most one entry. Those of one owner stand
/// in one array that is never changed, the newest first.</para>
/// <para>I2. A change replaces one array: readers see the one or the other. A new listing is put
/// beside what there is, and takes its place by one write, so that they never see an empty
/// map.</para>
/// <para>Linearization: the look into the dictionary's bucket; of a listing, the write of
/// <c>_maps</c>. Progress: readers are wait-free (a bucket's nodes never change their order), the
/// writer takes <c>_gate</c>, which it shares with snapshots only.</para>
/// </remarks>
internal sealed class MirrorIndex(Subscribers subscribers)
{
    private Maps _maps = new(tcp: 0, udp: 0);
    private readonly Dictionary<string, KnownHost> _hosts = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly List<FleetChange> _changes = [];
    private bool _mayForget;
    private int _count;
    private long _revision;

    /// <summary>How many entries there are.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>The revision of etcd up to which all changes are in.</summary>
    public long Revision => Volatile.Read(ref _revision);

    public bool TryFind(string owner, PortProtocol protocol, [NotNullWhen(true)] out FleetEntry[]? entries) => Volatile.Read(ref _maps).Of(protocol).TryGetValue(owner, out entries);

    public ImmutableArray<FleetHost> Hosts()
    {
        lock (_gate)
        {
            return [.. _hosts.Values.Where(host => host.IsThere).Select(host => new FleetHost(host.Name, host.Address, host.Entries))];
        }
    }

    public FleetSnapshot Snapshot()
    {
        lock (_gate)
        {
            return new FleetSnapshot(All(), _revision);
        }
    }

    /// <summary>Adds a reader, whose first update is all there is now: no change falls between the
    /// two.</summary>
    public Subscriber Subscribe(int capacity)
    {
        lock (_gate)
        {
            return subscribers.Add(new FleetUpdate(new FleetSnapshot(All(), _revision)), capacity);
        }
    }

    /// <summary>Takes changes of one or more revisions, and tells them as one.</summary>
    public void Apply(long revision, Action<MirrorIndex> change)
    {
        lock (_gate)
        {
            _changes.Clear();
            change(this);
            Forget();
            Volatile.Write(ref _revision, revision);
            if (_changes.Count != 0)
            {
                subscribers.Tell(new FleetUpdate(revision, [.. _changes]));
            }
        }
    }

    /// <summary>Takes a whole listing in place of all there is, and tells it as one.</summary>
    public void Replace(long revision, List<FleetEntry> listing, Dictionary<string, string> addresses)
    {
        lock (_gate)
        {
            // As large as they will be: growing would make each of their nodes again.
            int udp = listing.Count(static entry => entry.Protocol == PortProtocol.Udp);
            Maps maps = new(listing.Count - udp, udp);
            foreach (KnownHost host in _hosts.Values)
            {
                host.Entries = 0;
            }

            foreach (FleetEntry entry in listing)
            {
                Store(maps, entry);
                entry.KnownHost.Entries++;
            }

            Volatile.Write(ref _maps, maps);
            Volatile.Write(ref _count, listing.Count);
            foreach (KnownHost host in _hosts.Values)
            {
                host.Says(addresses.GetValueOrDefault(host.Name));
            }

            _changes.Clear();
            _mayForget = true;
            Forget();
            Volatile.Write(ref _revision, revision);
            if (!subscribers.IsEmpty)
            {
                subscribers.Tell(new FleetUpdate(new FleetSnapshot(All(), revision)));
            }
        }
    }

    /// <summary>The one object of a host; for the writer.</summary>
    public KnownHost Host(string name)
    {
        lock (_gate)
        {
            if (!_hosts.TryGetValue(name, out KnownHost? host))
            {
                _hosts.Add(name, host = new KnownHost(name));
            }

            return host;
        }
    }

    /// <summary>For the writer, within <see cref="Apply"/>.</summary>
    public void Put(FleetEntry entry)
    {
        Tally(entry.KnownHost, Store(_maps, entry) ? 1 : 0);
        _changes.Add(new FleetChange(entry, IsRemoval: false));
    }

    /// <returns>Whether the host had none for that owner before.</returns>
    private static bool Store(Maps maps, FleetEntry entry)
    {
        ConcurrentDictionary<string, FleetEntry[]> map = maps.Of(entry.Protocol);
        if (map.TryGetValue(entry.Owner, out FleetEntry[]? entries))
        {
            FleetEntry[] others = entries.Length == 1 && entries[0].KnownHost == entry.KnownHost ? [] : Array.FindAll(entries, other => other.KnownHost != entry.KnownHost);
            int at = Array.FindIndex(others, other => other.Revision <= entry.Revision);
            at = at < 0 ? others.Length : at;
            map[entries[0].Owner] = [.. others[..at], entry, .. others[at..]];
            return others.Length == entries.Length;
        }

        map[entry.Owner] = [entry];
        return true;
    }

    /// <summary>For the writer, within <see cref="Apply"/>.</summary>
    /// <returns>What was there, or null.</returns>
    public FleetEntry? Remove(KnownHost host, string owner, PortProtocol protocol)
    {
        ConcurrentDictionary<string, FleetEntry[]> map = _maps.Of(protocol);
        if (!map.TryGetValue(owner, out FleetEntry[]? entries) || Array.Find(entries, entry => entry.KnownHost == host) is not { } gone)
        {
            return null;
        }

        if (entries.Length == 1)
        {
            map.TryRemove(owner, out _);
        }
        else
        {
            map[owner] = Array.FindAll(entries, entry => entry != gone);
        }

        Tally(host, -1);
        _changes.Add(new FleetChange(gone, IsRemoval: true));
        return gone;
    }

    /// <summary>A host gave its sign of life, or it is gone; for the writer, within
    /// <see cref="Apply"/>.</summary>
    public void Says(KnownHost host, string? address)
    {
        host.Says(address);
        _mayForget |= address is null;
    }

    /// <summary>Lets go of hosts that are gone with all they had, so that names which come once
    /// cost nothing for ever.</summary>
    private void Forget()
    {
        if (!_mayForget)
        {
            return;
        }

        _mayForget = false;
        foreach (KnownHost host in _hosts.Values.Where(host => !host.IsThere && host.Entries == 0).ToArray())
        {
            _hosts.Remove(host.Name);
        }
    }

    private void Tally(KnownHost host, int more)
    {
        host.Entries += more;
        _mayForget |= host.Entries == 0;
        Volatile.Write(ref _count, _count + more);
    }

    private ImmutableArray<FleetEntry> All()
    {
        ImmutableArray<FleetEntry>.Builder all = ImmutableArray.CreateBuilder<FleetEntry>(_count);
        foreach (KeyValuePair<string, FleetEntry[]> pair in _maps.Of(PortProtocol.Tcp))
        {
            all.AddRange(pair.Value);
        }

        foreach (KeyValuePair<string, FleetEntry[]> pair in _maps.Of(PortProtocol.Udp))
        {
            all.AddRange(pair.Value);
        }

        return all.ToImmutable();
    }

    /// <summary>The arrays by owner, for each protocol.</summary>
    private sealed class Maps(int tcp, int udp)
    {
        private readonly ConcurrentDictionary<string, FleetEntry[]> _tcp = Make(tcp);
        private readonly ConcurrentDictionary<string, FleetEntry[]> _udp = Make(udp);

        public ConcurrentDictionary<string, FleetEntry[]> Of(PortProtocol protocol) => protocol == PortProtocol.Udp ? _udp : _tcp;

        private static ConcurrentDictionary<string, FleetEntry[]> Make(int owners) => new(1, Math.Max(31, owners), StringComparer.Ordinal);
    }
}
