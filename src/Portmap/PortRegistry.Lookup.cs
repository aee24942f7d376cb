using System.Collections.Immutable;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry
{
    /// <summary>Finds the port that an owner's process listens on. Wait-free; allocates nothing.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port, or 0.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>False when no living process has registered under that name, which a name that cannot be an owner never has.</returns>
#pragma warning disable RS0026 // the overloads differ in their first argument, so the optional protocol never makes a call ambiguous
    public bool TryGetPort(string owner, out int port, PortProtocol protocol = PortProtocol.Tcp) => TryGetPort(owner.AsSpan(), out port, protocol);

    /// <inheritdoc cref="TryGetPort(string, out int, PortProtocol)"/>
    public bool TryGetPort(ReadOnlySpan<char> owner, out int port, PortProtocol protocol = PortProtocol.Tcp)
    {
        port = Parts.Table.PortOf(protocol, owner);
        return port != 0;
    }

    /// <summary>Finds the entry of an owner: the registration that lookups serve, otherwise its open lease. Wait-free; allocates nothing.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="entry">The entry: Bound or Reserved.</param>
    /// <param name="protocol">TCP or UDP.</param>
    public bool TryGetEntry(string owner, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp) => TryGetEntry(owner.AsSpan(), out entry, protocol);

    /// <inheritdoc cref="TryGetEntry(string, out PortEntry, PortProtocol)"/>
    public bool TryGetEntry(ReadOnlySpan<char> owner, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp)
    {
        ClaimView claim = Parts.Table.Find(protocol, owner);
        entry = claim.IsNone ? default : Parts.Entries.Of(claim);
        return !claim.IsNone;
    }

    /// <summary>Finds the entry of a port. Wait-free; allocates nothing.</summary>
    /// <param name="port">The port; a number that is not 1 to 65535 has no entry.</param>
    /// <param name="entry">The entry: Bound (one of the owners, where several share the port), Reserved, Cooling or Foreign.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>False when the port is free as far as the registry knows.</returns>
    public bool TryGetEntry(int port, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp)
    {
        entry = default;
        if (!HasSlot(port, protocol))
        {
            return false;
        }

        ClaimView found = Parts.Table.Ports.Find(protocol, port, out PortState state);
        entry = state == PortState.Free ? default : Parts.Entries.Of(found, state);
        return state != PortState.Free;
    }

    /// <summary>Lists the entries of all owners that share a port: one, or several of one process.</summary>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>The Bound and Reserved entries; empty when nobody of ours has the port.</returns>
    public IReadOnlyList<PortEntry> EnumerateOwners(int port, PortProtocol protocol = PortProtocol.Tcp) =>
        HasSlot(port, protocol) ? Parts.Table.Ports.Owners(protocol, port).ConvertAll(claim => Parts.Entries.Of(claim)) : [];

    /// <summary>Lists everything the registry knows: Reserved, Bound, Cooling and Foreign, by protocol and port.</summary>
    /// <param name="revision">The revision to hand to <see cref="Watch(long, CancellationToken)"/>: no change after this snapshot is missed, one made during it may come again.</param>
    /// <returns>An immutable list. Each entry was true at some moment of the call.</returns>
    public ImmutableArray<PortEntry> Snapshot(out long revision)
    {
        revision = Parts.Changes.StartAndGetRevision();
        return [.. Parts.Entries.All()];
    }

    /// <summary>Reports changes of the map as they happen.</summary>
    /// <param name="afterRevision">The last revision the reader has seen, from <see cref="Snapshot"/> or a change; -1, the default, begins now.</param>
    /// <param name="cancellationToken">Ends the enumeration with <see cref="OperationCanceledException"/>.</param>
    /// <returns>Changes in the order of their revisions, without gaps, until the registry is disposed. Any number may be read at once; each enumeration begins anew.</returns>
    /// <remarks>A slow reader costs nothing: the last <see cref="PortRegistryOptions.WatchCapacity"/> changes are kept for all readers together, and one
    /// that falls further behind is told so. Recording starts with the first call of this or of <see cref="Snapshot"/>.</remarks>
    /// <exception cref="PortRefusedException">While enumerating: RevisionTooOld, when that revision is no longer kept or is of an earlier run; take a snapshot.</exception>
    public IAsyncEnumerable<PortChange> Watch(long afterRevision = -1, CancellationToken cancellationToken = default)
    {
        long start = Parts.Changes.StartAndGetRevision();
        return Parts.Changes.ReadAsync(afterRevision == -1 ? start : afterRevision, TooOld, cancellationToken);
    }

    /// <summary>Reports changes from now on, and tells from where: what a snapshot's revision is for those that need no snapshot.</summary>
    /// <param name="revision">The revision after which it begins. It can be handed to <see cref="Watch(long, CancellationToken)"/> as well.</param>
    /// <param name="cancellationToken">Ends the enumeration with <see cref="OperationCanceledException"/>.</param>
    /// <returns>As <see cref="Watch(long, CancellationToken)"/>. Who only wants to know the revision does not enumerate it.</returns>
    /// <remarks>Takes some ten nanoseconds, where <see cref="Snapshot"/> reads the whole map. Recording starts with it.</remarks>
    public IAsyncEnumerable<PortChange> Watch(out long revision, CancellationToken cancellationToken)
    {
        revision = Parts.Changes.StartAndGetRevision();
        return Parts.Changes.ReadAsync(revision, TooOld, cancellationToken);
    }

    /// <summary>The entry of a claim as it is now.</summary>
    internal PortEntry EntryOf(in ClaimView claim) => Parts.Entries.Of(claim);

    private PortRefusedException TooOld(long revision) => new(Refusals.RevisionTooOld(revision, Parts.Settings.WatchCapacity));

    private bool HasSlot(int port, PortProtocol protocol) =>
        port is >= 1 and <= 65_535 && (protocol == PortProtocol.Tcp || (protocol == PortProtocol.Udp && Parts.Table.HasUdp));
}
