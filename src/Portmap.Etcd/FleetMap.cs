using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Portmap.Etcd.Leasing;
using Portmap.Etcd.Mirroring;

namespace Portmap.Etcd;

/// <summary>The whole fleet's map in the memory of this host: which host and port serves an
/// owner.</summary>
/// <remarks>
/// <para>Safe for any thread. It is a copy that follows etcd: it can be late, by
/// <see cref="Staleness"/>. What this host serves itself is known best by its own
/// <see cref="PortRegistry"/>.</para>
/// <para>While etcd is away the map stays as it was, and answers.</para>
/// </remarks>
public sealed class FleetMap
{
    private readonly MirrorIndex _index;
    private readonly Subscribers _subscribers;
    private readonly Follower _follower;
    private readonly HeldClaims _held;
    private readonly PortmapFleetOptions _options;
    private readonly CancellationToken _ended;

    internal FleetMap(MirrorIndex index, Subscribers subscribers, Follower follower, HeldClaims held, PortmapFleetOptions options, CancellationToken ended)
    {
        _index = index;
        _subscribers = subscribers;
        _follower = follower;
        _held = held;
        _options = options;
        _ended = ended;
    }

    /// <summary>How many entries the map has.</summary>
    public int Count => _index.Count;

    /// <summary>The revision of etcd up to which all changes are in the map.</summary>
    public long Revision => _index.Revision;

    /// <summary>How old the map may be: what etcd had confirmed that long ago is in it.</summary>
    /// <value><see cref="TimeSpan.MaxValue"/> before the first listing.</value>
    public TimeSpan Staleness => _follower.Staleness;

    /// <summary>Whether lookups refuse to answer, because <see cref="Staleness"/> is above
    /// <see cref="PortmapFleetOptions.MaxStaleness"/>.</summary>
    public bool IsRefusing => _options.MaxStaleness != Timeout.InfiniteTimeSpan && Staleness > _options.MaxStaleness;

    /// <summary>Completes when the map holds the whole fleet for the first time; never without
    /// <see cref="PortmapFleetOptions.Mirror"/>. It is cancelled when the fleet is disposed
    /// before that.</summary>
    public Task WhenListed => _follower.WhenListed;

    /// <summary>Finds who serves an owner. It reads memory only, waits for nobody, and allocates
    /// nothing.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="entry">The entry; of several hosts that serve the owner the one that etcd heard
    /// of last.</param>
    /// <param name="protocol"><see cref="PortProtocol.Tcp"/> or
    /// <see cref="PortProtocol.Udp"/>.</param>
    /// <returns>False when nobody serves it, and while <see cref="IsRefusing"/>. An entry of this
    /// host with a claim that is lost is not found any more, also before etcd was heard of
    /// it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="owner"/> is null.</exception>
    public bool TryFind(string owner, [NotNullWhen(true)] out FleetEntry? entry, PortProtocol protocol = PortProtocol.Tcp)
    {
        ArgumentNullException.ThrowIfNull(owner);
        entry = null;
        if (IsRefusing || !_index.TryFind(owner, protocol, out FleetEntry[]? entries))
        {
            return false;
        }

        foreach (FleetEntry one in entries)
        {
            if (!IsLost(one))
            {
                entry = one;
                return true;
            }
        }

        return false;
    }

    /// <summary>All hosts that serve an owner, the one that etcd heard of last first. Allocates
    /// nothing.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="protocol"><see cref="PortProtocol.Tcp"/> or
    /// <see cref="PortProtocol.Udp"/>.</param>
    /// <returns>Empty when nobody serves it, and while <see cref="IsRefusing"/>.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="owner"/> is null.</exception>
    public ReadOnlyMemory<FleetEntry> FindAll(string owner, PortProtocol protocol = PortProtocol.Tcp)
    {
        ArgumentNullException.ThrowIfNull(owner);
        if (IsRefusing || !_index.TryFind(owner, protocol, out FleetEntry[]? entries))
        {
            return default;
        }

        foreach (FleetEntry entry in entries)
        {
            if (IsLost(entry))
            {
                return WithoutLost(entries);
            }
        }

        return entries;
    }

    /// <summary>Everything the map holds at one revision. It answers while <see cref="IsRefusing"/>
    /// as well.</summary>
    public FleetSnapshot Snapshot() => _index.Snapshot();

    /// <summary>The hosts that show signs of life, in no order.</summary>
    public ImmutableArray<FleetHost> EnumerateHosts() => _index.Hosts();

    /// <summary>Tells the whole map, and then each change of it, without a gap.</summary>
    /// <param name="cancellationToken">Ends the enumeration with
    /// <see cref="OperationCanceledException"/>.</param>
    /// <returns>First a snapshot, then changes. A snapshot comes again whenever changes were lost
    /// on the way: for a reader that fell behind, and when etcd has compacted, or never had, what
    /// this host has not seen. It ends when the fleet is disposed.</returns>
    /// <remarks>Any number may be read at once; each enumeration begins anew. An enumerator may be
    /// disposed while it waits. Changes that etcd made in one transaction come in one
    /// update.</remarks>
    public IAsyncEnumerable<FleetUpdate> WatchAsync(CancellationToken cancellationToken = default) =>
        new StoppableSequence<FleetUpdate>(ReadAsync, cancellationToken);

    private FleetEntry[] WithoutLost(FleetEntry[] entries) => Array.FindAll(entries, entry => !IsLost(entry));

    /// <summary>This host claimed it and knows that it has lost, which the map may not know
    /// yet.</summary>
    /// <remarks>One that only looks holds no claims. The entries under its name are those of the
    /// daemon beside it.</remarks>
    private bool IsLost(FleetEntry entry) =>
        !_options.ReadOnly && entry.ClaimEpoch is { } epoch && entry.Host == _options.Host && _held.EpochOf(entry.Owner) != epoch;

    private async IAsyncEnumerable<FleetUpdate> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (!_ended.IsCancellationRequested)
        {
            Subscriber subscriber = _index.Subscribe(_options.WatchCapacity);
            try
            {
                while (!subscriber.IsBehind && await subscriber.Updates.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    while (!subscriber.IsBehind && subscriber.Updates.TryRead(out FleetUpdate? update))
                    {
                        yield return update;
                    }
                }
            }
            finally
            {
                _subscribers.Remove(subscriber);
            }

            if (!subscriber.IsBehind)
            {
                yield break;
            }
        }
    }
}
