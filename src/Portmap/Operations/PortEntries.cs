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
    public bool TryFind(PortProtocol protocol, int port, out PortEntry entry)
    {
        ClaimView only = table.Ports.FindOnly(protocol, port);
        if (!only.IsNone)
        {
            entry = Of(only, owners: 1);
            return true;
        }

        ClaimView found = table.Ports.Find(protocol, port, out PortState state);
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
    public static EntryFacts FactsOfEnded(ClaimView claim, PortState state = PortState.Cooling) => new(claim)
    {
        State = state,
        ProcessId = SessionHolder.Of(claim)?.ProcessId ?? 0,
        Guarantee = claim.Guarantee,
        Addresses = claim.Addresses,
    };

    /// <summary>The entry that some facts tell of.</summary>
    public PortEntry Of(in EntryFacts facts) => new()
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
    public List<PortEntry> All()
    {
        List<PortEntry> entries = [];
        Dictionary<(PortProtocol, int), int> owners = [];   // counted once for each port: thousands may share one
        foreach (OwnerView owner in table.Owners())
        {
            ClaimView served = owner.Serving();
            served = served.IsNone && owner.Served.Holder is { IsRecovered: true } ? owner.Served : served;
            if (!served.IsNone)
            {
                entries.Add(Of(served, CountOnce(served, owners)));
            }

            if (!owner.Lease.IsNone)
            {
                entries.Add(Of(owner.Lease, CountOnce(owner.Lease, owners)));
            }
        }

        AddIdle(entries, PortProtocol.Tcp);
        if (table.HasUdp)
        {
            AddIdle(entries, PortProtocol.Udp);
        }

        entries.Sort(static (a, b) => (a.Protocol, a.Port, a.Epoch).CompareTo((b.Protocol, b.Port, b.Epoch)));
        return entries;
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

    private int CountOnce(ClaimView claim, Dictionary<(PortProtocol, int), int> owners)
    {
        ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(owners, (claim.Protocol, claim.Port), out bool isCounted);
        return count = isCounted ? count : CountOwners(claim);
    }

    private int CountOwners(ClaimView claim) => claim.Port == 0 || !claim.IsShared ? 1 : Math.Max(1, table.Ports.CountOwners(claim.Protocol, claim.Port));

    private void AddIdle(List<PortEntry> entries, PortProtocol protocol)
    {
        foreach (int port in table.Ports.Used(protocol))
        {
            ClaimView found = table.Ports.Find(protocol, port, out PortState state);
            if (state is PortState.Cooling or PortState.Foreign)
            {
                entries.Add(Of(found, state));
            }
        }
    }
}
