using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Portmap.Etcd.Mirroring;

/// <summary>The fleet's entries in memory: by owner for readers, by host for the one
/// writer.</summary>
/// <remarks>
/// <para>I1. For each (host, owner, protocol) there is at most one entry. Those of one owner stand
/// in one array that is never changed, the newest first.</para>
/// <para>I2. A change replaces one array: readers see the one or the other. A new listing replaces
/// what differs, so that they never see an empty map.</para>
/// <para>Linearization: the look into the dictionary's bucket. Progress: readers are wait-free (a
/// bucket's nodes never change their order), the writer takes <c>_gate</c>, which it shares with
/// snapshots only.</para>
/// </remarks>
internal sealed class MirrorIndex(Subscribers subscribers)
{
    private readonly ConcurrentDictionary<string, FleetEntry[]> _tcp = new(1, 31, StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, FleetEntry[]> _udp = new(1, 31, StringComparer.Ordinal);
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

    public bool TryFind(string owner, PortProtocol protocol, [NotNullWhen(true)] out FleetEntry[]? entries) => Of(protocol).TryGetValue(owner, out entries);

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
            bool isFirst = _count == 0;
            foreach (FleetEntry entry in listing)
            {
                Store(entry);
            }

            if (!isFirst)
            {
                HashSet<FleetEntry> listed = new(listing, ReferenceEqualityComparer.Instance);
                foreach (FleetEntry gone in All().Where(entry => !listed.Contains(entry)))
                {
                    Remove(gone.KnownHost, gone.Owner, gone.Protocol);
                }
            }

            foreach (KnownHost host in _hosts.Values)
            {
                host.Says(addresses.GetValueOrDefault(host.Name));
            }

            _changes.Clear();
            _mayForget = true;
            Forget();
            Volatile.Write(ref _revision, revision);
            subscribers.Tell(new FleetUpdate(new FleetSnapshot(All(), revision)));
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
        Store(entry);
        _changes.Add(new FleetChange(entry, IsRemoval: false));
    }

    private void Store(FleetEntry entry)
    {
        ConcurrentDictionary<string, FleetEntry[]> map = Of(entry.Protocol);
        if (map.TryGetValue(entry.Owner, out FleetEntry[]? entries))
        {
            FleetEntry[] others = entries.Length == 1 && entries[0].KnownHost == entry.KnownHost ? [] : Array.FindAll(entries, other => other.KnownHost != entry.KnownHost);
            Tally(entry.KnownHost, others.Length == entries.Length ? 1 : 0);
            int at = Array.FindIndex(others, other => other.Revision <= entry.Revision);
            at = at < 0 ? others.Length : at;
            map[entries[0].Owner] = [.. others[..at], entry, .. others[at..]];
        }
        else
        {
            Tally(entry.KnownHost, 1);
            map[entry.Owner] = [entry];
        }
    }

    /// <summary>For the writer, within <see cref="Apply"/>.</summary>
    /// <returns>What was there, or null.</returns>
    public FleetEntry? Remove(KnownHost host, string owner, PortProtocol protocol)
    {
        ConcurrentDictionary<string, FleetEntry[]> map = Of(protocol);
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

    private ConcurrentDictionary<string, FleetEntry[]> Of(PortProtocol protocol) => protocol == PortProtocol.Udp ? _udp : _tcp;

    private ImmutableArray<FleetEntry> All()
    {
        ImmutableArray<FleetEntry>.Builder all = ImmutableArray.CreateBuilder<FleetEntry>(_count);
        foreach (KeyValuePair<string, FleetEntry[]> pair in _tcp)
        {
            all.AddRange(pair.Value);
        }

        foreach (KeyValuePair<string, FleetEntry[]> pair in _udp)
        {
            all.AddRange(pair.Value);
        }

        return all.ToImmutable();
    }
}
