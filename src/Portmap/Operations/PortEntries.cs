using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Makes the entries that users see out of what the table shows.</summary>
internal sealed class PortEntries(PortTable table, RegistryClock clock, StrategyList strategies)
{
    private Func<EntryFacts, PortEntry>? _making;

    /// <summary>The addresses that registrations serve, by the numbers that their claims
    /// keep.</summary>
    public ServedAddresses Addresses { get; } = new();

    public PortEntry Of(ClaimView claim) => Of(claim, CountOwners(claim));

    /// <summary>The entry of a port; false when it is free as far as the table knows.</summary>
    public bool TryFind(PortProtocol protocol, int port, out PortEntry entry) => TryFind(protocol, port, out entry, out _);

    /// <inheritdoc cref="TryFind(PortProtocol, int, out PortEntry)"/>
    /// <param name="protocol">The protocol.</param>
    /// <param name="port">The port.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="found">The claim that it tells of, or none.</param>
    public bool TryFind(PortProtocol protocol, int port, out PortEntry entry, out ClaimView found)
    {
        found = table.Ports.FindOnly(protocol, port);
        if (!found.IsNone)
        {
            entry = Of(found, owners: 1);
            return true;
        }

        found = table.Ports.Find(protocol, port, out PortState state);
        entry = state == PortState.Free ? default : Of(found, state);
        return state != PortState.Free;
    }

    /// <summary>The entry of a port as a lookup of the port finds it.</summary>
    /// <param name="found">What was found.</param>
    /// <param name="state">Its state, not Free.</param>
    public PortEntry Of(ClaimView found, PortState state) => state is PortState.Cooling or PortState.Foreign ? Idle(found, state) : Of(found);

    /// <summary>Makes the entries of changes.</summary>
    public Func<EntryFacts, PortEntry> Making => _making ??= facts => Of(facts);

    /// <summary>What the entry of a claim says.</summary>
    public EntryFacts FactsOf(ClaimView claim)
    {
        SessionHolder? session = SessionHolder.Of(claim);
        return new EntryFacts(claim)
        {
            State = StateOf(session),
            ProcessId = session?.ProcessId ?? 0,
            OwnerCount = CountOwners(claim),
            Guarantee = claim.Guarantee,
            Addresses = claim.Addresses,
        };
    }

    /// <summary>The same of a claim that is over, or that lookups do not serve any more.</summary>
    public static EntryFacts FactsOfEnded(ClaimView claim) => new(claim)
    {
        State = PortState.Cooling,
        ProcessId = SessionHolder.Of(claim)?.ProcessId ?? 0,
        Guarantee = claim.Guarantee,
        Addresses = claim.Addresses,
    };

    /// <summary>The entry that some facts tell of.</summary>
    public PortEntry Of(EntryFacts facts) => new()
    {
        Owner = facts.Owner,
        Port = facts.Port,
        Protocol = facts.Protocol,
        State = facts.State,
        Epoch = facts.Epoch,
        ProcessId = facts.ProcessId,
        SinceTicks = clock.ToUtcTicks(facts.AtMs),
        OwnerCount = facts.OwnerCount,
        Guarantee = facts.Guarantee,
        Addresses = Addresses.TextOf(facts.Addresses),
        Strategy = facts.Epoch == 0 ? string.Empty : strategies.NameOf(facts.Strategy),
    };

    /// <summary>Everything the table shows, by protocol, port and epoch.</summary>
    public ImmutableArray<PortEntry> All()
    {
        List<Found> found = new(Math.Max(0, table.EstimatedOwners));
        foreach (OwnerView owner in table.Owners())
        {
            ClaimView served = owner.Served is { Holder.IsServing: true } seen ? seen : owner.Serving();
            served = served.IsNone && owner.Served.Holder is { IsRecovered: true } ? owner.Served : served;
            if (!served.IsNone)
            {
                found.Add(new Found(served, PortState.Bound));
            }

            if (!owner.Lease.IsNone)
            {
                found.Add(new Found(owner.Lease, PortState.Reserved));
            }
        }

        List<Found> inOrder = new(found.Count);
        AddByPort(inOrder, found, PortProtocol.Tcp);
        AddByPort(inOrder, found, PortProtocol.Udp);

        PortEntry[] entries = new PortEntry[inOrder.Count];
        Dictionary<(PortProtocol, int), int> sharers = [];
        for (int i = 0; i < entries.Length; i++)
        {
            (ClaimView claim, PortState state) = inOrder[i];
            entries[i] = state is PortState.Cooling or PortState.Foreign ? Idle(claim, state) : Of(claim, CountOnce(claim, sharers));
        }

        return ImmutableCollectionsMarshal.AsImmutableArray(entries);
    }

    /// <summary>Adds what was found of a protocol, in the order of the ports, and the ports between
    /// that nobody has and that are not free.</summary>
    /// <remarks>There are few enough ports to have a place for each, so nothing is
    /// sorted.</remarks>
    private void AddByPort(List<Found> inOrder, List<Found> found, PortProtocol protocol)
    {
        int[]?[] newest = new int[]?[256];   // for 256 ports each; 1 is the first that was found
        int[] before = new int[found.Count];   // the one of the same port that was found before, or 0
        for (int i = 0; i < found.Count; i++)
        {
            if (found[i].Claim.Protocol == protocol)
            {
                ref int last = ref (newest[found[i].Claim.Port >> 8] ??= new int[256])[found[i].Claim.Port & 255];
                (before[i], last) = (last, i + 1);
            }
        }

        AddOf(0);   // leases whose processes pick their ports
        foreach (int port in protocol == PortProtocol.Tcp || table.HasUdp ? table.Ports.Used(protocol) : [])
        {
            if (!AddOf(port) && table.Ports.Find(protocol, port, out PortState state) is var idle && state is PortState.Cooling or PortState.Foreign)
            {
                inOrder.Add(new Found(idle, state));
            }
        }

        bool AddOf(int port)
        {
            int first = inOrder.Count;
            for (int at = newest[port >> 8]?[port & 255] ?? 0; at != 0; at = before[at - 1])
            {
                inOrder.Add(found[at - 1]);
            }

            if (inOrder.Count - first > 1)
            {
                CollectionsMarshal.AsSpan(inOrder)[first..].Sort(static (a, b) => a.Claim.Epoch.CompareTo(b.Claim.Epoch));
            }

            return inOrder.Count > first;
        }
    }

    private PortEntry Idle(ClaimView found, PortState state) => new()
    {
        Owner = found.Owner,
        Port = found.Port,
        Protocol = found.Protocol,
        State = state,
        Epoch = state == PortState.Foreign ? 0 : found.Epoch,
        SinceTicks = clock.ToUtcTicks(found.AtMs),
        Guarantee = PortGuarantee.LedgerOnly,
        Strategy = state == PortState.Foreign ? string.Empty : strategies.NameOf(found.Strategy),
    };

    private PortEntry Of(ClaimView claim, int owners)
    {
        SessionHolder? session = SessionHolder.Of(claim);
        PortClaim of = claim.Claim!;
        return new PortEntry
        {
            Owner = claim.Owner,
            Port = of.Port,
            Protocol = of.Protocol,
            State = StateOf(session),
            Epoch = of.Epoch,
            ProcessId = session?.ProcessId ?? 0,
            SinceTicks = clock.ToUtcTicks(claim.AtMs),
            OwnerCount = owners,
            Guarantee = of.Guarantee,
            Addresses = Addresses.TextOf(claim.Addresses),
            Strategy = strategies.NameOf(of.Strategy),
        };
    }

    private static PortState StateOf(SessionHolder? session) =>
        session is null ? PortState.Reserved : session.IsRecovered ? PortState.Recovered : PortState.Bound;

    /// <summary>Counts the owners of a shared port once: they may be thousands.</summary>
    private int CountOnce(ClaimView claim, Dictionary<(PortProtocol, int), int> sharers)
    {
        if (!claim.IsShared)
        {
            return 1;
        }

        ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(sharers, (claim.Protocol, claim.Port), out bool isCounted);
        return count = isCounted ? count : CountOwners(claim);
    }

    private int CountOwners(ClaimView claim) => claim.Port == 0 || !claim.IsShared ? 1 : Math.Max(1, table.Ports.CountOwners(claim.Protocol, claim.Port));

    /// <summary>A claim, or the marker of a stranger, with the state it was found in.</summary>
    private readonly record struct Found(ClaimView Claim, PortState State);
}
