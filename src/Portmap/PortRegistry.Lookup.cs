using Portmap.Operations;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry
{
    /// <summary>Finds the port that an owner's process listens on. Wait-free; allocates
    /// nothing.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port, or 0.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>False when no living process has registered under that name, which a name that
    /// cannot be an owner never has.</returns>
#pragma warning disable RS0026 // the overloads differ in their first argument, so the optional protocol never makes a call ambiguous
    public bool TryGetPort(string owner, out int port, PortProtocol protocol = PortProtocol.Tcp) => TryGetPort(owner.AsSpan(), out port, protocol);

    /// <inheritdoc cref="TryGetPort(string, out int, PortProtocol)"/>
    public bool TryGetPort(ReadOnlySpan<char> owner, out int port, PortProtocol protocol = PortProtocol.Tcp)
    {
        port = Parts.Fleet is { } fleet ? fleet.PortOf(protocol, owner) : _table.PortOf(protocol, owner);
        return port != 0;
    }

    /// <summary>Finds the entry of an owner: the registration that lookups serve, otherwise its
    /// open lease. Wait-free; allocates nothing.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="entry">The entry: Bound or Reserved. What is Recovered is found by its port
    /// only.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>False when the owner has neither.</returns>
    public bool TryGetEntry(string owner, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp) => TryGetEntry(owner.AsSpan(), out entry, protocol);

    /// <inheritdoc cref="TryGetEntry(string, out PortEntry, PortProtocol)"/>
    public bool TryGetEntry(ReadOnlySpan<char> owner, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp)
    {
        ClaimView claim = _table.Find(protocol, owner);
        claim = Parts.Fleet is not { } fleet ? claim : fleet.Answer(protocol, owner, claim);
        entry = claim.IsNone ? default : _entries.Of(claim);
        return !claim.IsNone;
    }

    /// <summary>Finds the entry of a port. Wait-free; allocates nothing.</summary>
    /// <param name="port">The port; a number that is not 1 to 65535 has no entry.</param>
    /// <param name="entry">The entry: Bound (one of the owners, where several share the port),
    /// Reserved, Recovered, Cooling or Foreign.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>False when the port is free as far as the registry knows.</returns>
    public bool TryGetEntry(int port, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp)
    {
        entry = default;
        return HasSlot(port, protocol) && _entries.TryFind(protocol, port, out entry)
            && (Parts.Fleet is not { } fleet || fleet.AnswerPort(_entries, port, ref entry));
    }

    /// <summary>Lists the entries of all owners that share a port: one, or several of one
    /// process.</summary>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>The Bound and Reserved entries; empty when nobody of ours has the port.</returns>
    public IReadOnlyList<PortEntry> EnumerateOwners(int port, PortProtocol protocol = PortProtocol.Tcp) =>
        HasSlot(port, protocol)
            ? _table.Ports.Owners(protocol, port).ConvertAll(claim => Parts.Fleet is not { } fleet ? claim : fleet.Answer(protocol, claim.Owner, claim))
                .FindAll(claim => !claim.IsNone && claim.Port == port).ConvertAll(claim => _entries.Of(claim))
            : [];

    /// <summary>Lists everything the registry knows: what is Reserved, Bound, Recovered, Cooling or
    /// Foreign.</summary>
    /// <returns>
    /// The entries, each as it was at some moment of the call, and the revision from which
    /// <see cref="WatchAsync"/> goes on without a gap.
    /// </returns>
    /// <remarks>It reads the whole map, which takes about 0.1 ms for each 1,000 entries.</remarks>
    public PortSnapshot Snapshot() => new MapReader(Parts).Snapshot();

    /// <summary>Follows the map: first all of it, then what changes, in batches and without a
    /// gap.</summary>
    /// <param name="afterRevision"> The last revision the reader has seen: it begins with the
    /// change after that. null, the default, begins with a snapshot.
    /// </param>
    /// <param name="snapshots"> Whether the reader wants snapshots. false is for one that keeps no
    /// copy of the map: where a snapshot would come, it is given an update without changes, at once
    /// and without a look at the map. Without a revision it begins with this call.
    /// </param>
    /// <param name="cancellationToken">Ends the enumeration with
    /// <see cref="OperationCanceledException"/>.</param>
    /// <returns> Updates until the registry is disposed. A snapshot takes the place of all that the
    /// reader knew. It comes again whenever changes cannot be told without a gap: the reader fell
    /// behind, or came with a revision that is not kept any more or is of an earlier run. Any
    /// number may be read at once; each enumeration begins anew.
    /// </returns>
    /// <remarks>
    /// <para>A slow reader costs nothing and holds nobody up: the last
    /// <see cref="PortRegistryOptions.WatchCapacity"/>
    /// changes are kept for all readers together. An enumerator may be disposed while it waits;
    /// that wait answers false.</para>
    /// <para>Recording starts with the first call of this or of <see cref="Snapshot"/>. Who mirrors
    /// the map keeps one entry for each claim, by the rule that <see cref="PortChange"/>
    /// states.</para>
    /// </remarks>
    public IAsyncEnumerable<PortUpdate> WatchAsync(long? afterRevision = null, bool snapshots = true, CancellationToken cancellationToken = default)
    {
        MapReader reader = new(Parts);
        long begin = Parts.Changes.StartAndGetRevision();
        return new StoppableSequence<PortUpdate>(token => reader.ReadAsync(afterRevision, begin, snapshots, token), cancellationToken);
    }

    private bool HasSlot(int port, PortProtocol protocol) =>
        port is >= 1 and <= 65_535 && (protocol == PortProtocol.Tcp || (protocol == PortProtocol.Udp && _table.HasUdp));
}
