using System.Runtime.InteropServices;
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
        PortClaim? claim = _table.Served(protocol, owner);
        port = claim?.Port ?? 0;
        return claim is not null;
    }

    /// <summary>Finds the entry of an owner: the registration that lookups serve, otherwise its open lease. Wait-free; allocates nothing.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="entry">The entry: Bound or Reserved. What is Recovered is found by its port only.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>False when the owner has neither.</returns>
    public bool TryGetEntry(string owner, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp) => TryGetEntry(owner.AsSpan(), out entry, protocol);

    /// <inheritdoc cref="TryGetEntry(string, out PortEntry, PortProtocol)"/>
    public bool TryGetEntry(ReadOnlySpan<char> owner, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp)
    {
        PortClaim? claim = _table.Index.Find(protocol, owner)?.Current();
        entry = claim is null ? default : EntryOf(claim);
        return claim is not null;
    }

    /// <summary>Finds the entry of a port. Wait-free; allocates nothing.</summary>
    /// <param name="port">The port; a number that is not 1 to 65535 has no entry.</param>
    /// <param name="entry">The entry: Bound (one of the owners, where several share the port), Reserved, Recovered, Cooling or Foreign.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>False when the port is free as far as the registry knows.</returns>
    public bool TryGetEntry(int port, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp)
    {
        entry = default;
        if (port is < 1 or > 65_535 || protocol is not (PortProtocol.Tcp or PortProtocol.Udp) || (protocol == PortProtocol.Udp && !_table.HasUdp))
        {
            return false;
        }

        if (_table.CurrentOn(protocol, port, out PortClaim? newest) is { } claim)
        {
            entry = EntryOf(claim);
            return true;
        }

        return newest is not null && TryGetIdleEntry(newest, out entry);
    }

    /// <summary>Lists the entries of all owners that share a port: one, or several of one process.</summary>
    /// <param name="port">The port.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <returns>The Bound and Reserved entries; empty when nobody of ours has the port.</returns>
    public IReadOnlyList<PortEntry> EnumerateOwners(int port, PortProtocol protocol = PortProtocol.Tcp)
    {
        if (port is < 1 or > 65_535 || protocol is not (PortProtocol.Tcp or PortProtocol.Udp) || (protocol == PortProtocol.Udp && !_table.HasUdp))
        {
            return [];
        }

        List<PortEntry> entries = [];
        object? slot = _table.Space(protocol).Slots[port];
        foreach (PortClaim claim in PortSlots.Claims(ref slot))
        {
            if (PortTable.VisibleOn(claim) is { } visible)
            {
                entries.Add(EntryOf(visible));
            }
        }

        if (entries.Count == 0 && _table.CurrentOn(protocol, port, out _) is { } current)
        {
            entries.Add(EntryOf(current));   // one went and another came between the looks
        }

        return entries;
    }

    /// <summary>Lists everything the registry knows: what is Reserved, Bound, Recovered, Cooling or Foreign.</summary>
    /// <returns>
    /// The entries, each as it was at some moment of the call, and the revision from which
    /// <see cref="WatchAsync"/> goes on without a gap.
    /// </returns>
    /// <remarks>It reads the whole map, which takes about 1 ms for each 1,000 entries.</remarks>
    public PortSnapshot Snapshot()
    {
        long revision = _changes.StartAndGetRevision();
        List<PortEntry> entries = [];
        Dictionary<(PortProtocol, int), int> owners = [];   // counted once for each port: thousands may share one
        foreach (OwnerCell cell in _table.Index.Cells())
        {
            PortClaim? lease = cell.OpenLease();
            if (cell.Serving() is { } served)
            {
                entries.Add(EntryOf(served, owners));
            }
            else if (cell.Served() is { Session.IsRecovered: true } recovered)
            {
                entries.Add(EntryOf(recovered, owners));
            }

            if (lease is not null)
            {
                entries.Add(EntryOf(lease, owners));
            }
        }

        AddIdle(entries, PortProtocol.Tcp);
        if (_table.HasUdp)
        {
            AddIdle(entries, PortProtocol.Udp);
        }

        entries.Sort(static (a, b) => (a.Protocol, a.Port, a.Epoch).CompareTo((b.Protocol, b.Port, b.Epoch)));
        return new PortSnapshot([.. entries], revision);
    }

    private PortEntry EntryOf(PortClaim claim, Dictionary<(PortProtocol, int), int> owners)
    {
        ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(owners, (claim.Protocol, claim.Port), out bool isCounted);
        count = isCounted ? count : CountOwners(claim);
        return EntryOf(claim, count);
    }

    internal PortEntry EntryOf(PortClaim claim) => EntryOf(claim, CountOwners(claim));

    private int CountOwners(PortClaim claim) => claim.Port == 0 ? 1 : Math.Max(1, _table.CountOwners(claim.Protocol, claim.Port));

    private PortEntry EntryOf(PortClaim claim, int owners)
    {
        ClaimWord word = claim.Word;
        return new PortEntry
        {
            Owner = claim.Cell!.Owner,
            Port = claim.Port,
            Protocol = claim.Protocol,
            State = claim.IsLease ? PortState.Reserved : claim.Session!.IsRecovered ? PortState.Recovered : PortState.Bound,
            Epoch = claim.Epoch,
            ProcessId = claim.Session?.ProcessId,
            Since = Clock.ToUtc(word.At),
            OwnerCount = owners,
            Guarantee = claim.Guarantee,
            Addresses = _served.TextOf(claim.Served),
            Strategy = StrategyName(claim.Strategy),
        };
    }

    private void AddIdle(List<PortEntry> entries, PortProtocol protocol)
    {
        PortSlots slots = _table.Space(protocol).Slots;
        foreach (int port in slots.Used())
        {
            if (TryGetEntry(port, out PortEntry entry, protocol) && entry.State is (PortState.Cooling or PortState.Foreign))
            {
                entries.Add(entry);
            }
        }
    }

    /// <summary>The entry of a port that no claim is in force on.</summary>
    private bool TryGetIdleEntry(PortClaim claim, out PortEntry entry)
    {
        ClaimWord word = claim.Word;
        bool foreign = word.Stage == ClaimStage.Foreign && !_table.Space(claim.Protocol).IsDue(word, NowMs);
        bool hidden = PortTable.IsHeldUnseen(claim);
        bool cooling = word.Stage == ClaimStage.Ended && _table.Space(claim.Protocol).CoolsForMs(word, NowMs) > 0;
        if (hidden && claim.Cell!.Served() is { Session.IsRecovered: true } recovered)
        {
            entry = EntryOf(recovered);
            return true;
        }

        if (!foreign && !cooling && !hidden)
        {
            entry = default;
            return false;
        }

        entry = new PortEntry
        {
            Owner = claim.Cell?.Owner ?? string.Empty,
            Port = claim.Port,
            Protocol = claim.Protocol,
            State = foreign ? PortState.Foreign : PortState.Cooling,
            Epoch = foreign ? 0 : claim.Epoch,
            Since = Clock.ToUtc(word.At),
            Guarantee = PortGuarantee.LedgerOnly,
            Strategy = foreign ? string.Empty : StrategyName(claim.Strategy),
        };
        return true;
    }
}
