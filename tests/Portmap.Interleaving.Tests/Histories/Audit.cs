using System.Globalization;
using System.Net.Sockets;
using Portmap.Guarding;

namespace Portmap.Interleaving.Tests.Histories;

/// <summary>Looks at a registry from outside while nobody moves, and says what must not
/// be.</summary>
internal static class Audit
{
    /// <summary>The first way in which the two ways to look disagree, or null.</summary>
    public static string? Disagreement(PortRegistry registry, IReadOnlyCollection<string> owners, IEnumerable<int> ports) =>
        Disagreement(registry, owners, ports, PortProtocol.Tcp) ?? Disagreement(registry, owners, ports, PortProtocol.Udp);

    /// <summary>The first port of which an entry says more than the kernel does, or null: where it
    /// says Exclusive no bind may succeed.</summary>
    public static string? Lie(PortRegistry registry)
    {
        foreach (PortEntry entry in registry.Snapshot().Entries.Where(entry => entry is { Guarantee: PortGuarantee.Exclusive, State: PortState.Bound or PortState.Reserved }))
        {
            SocketError error = BoundSocket.TryMake(entry.Protocol, entry.Port, isStrict: false, out BoundSocket? socket);
            socket?.Dispose();
            if (error == SocketError.Success && registry.TryGetEntry(entry.Owner, out PortEntry now, entry.Protocol) && now == entry)
            {
                return $"{entry} says {entry.Guarantee}, and its port could be bound";
            }
        }

        return null;
    }

    /// <summary>Complains when there are more or fewer placeholders than entries that say that one
    /// holds their port. Nothing waits for its owner's return any more.</summary>
    public static string? Unaccounted(PortRegistry registry)
    {
        PortEntry[] held = [.. registry.Snapshot().Entries.Where(entry =>
            entry is { Guarantee: PortGuarantee.Exclusive or PortGuarantee.Admitting, State: PortState.Bound or PortState.Reserved })];
        int placeholders = registry.Parts.Guard.Count;
        return placeholders == held.Length ? null : $"there are {placeholders} placeholders, for {string.Join(", ", held.Select(one => one.ToString()))}";
    }

    private static string? Disagreement(PortRegistry registry, IReadOnlyCollection<string> owners, IEnumerable<int> ports, PortProtocol protocol)
    {
        foreach (int port in ports)
        {
            IReadOnlyList<PortEntry> entries = registry.EnumerateOwners(port, protocol);
            bool isHeld = registry.TryGetEntry(port, out PortEntry first, protocol) && first.State is PortState.Bound or PortState.Reserved;
            if (isHeld != entries.Count > 0)
            {
                return $"port {port} is {first.State} and has {entries.Count} owners";
            }

            if (entries.Any(entry => entry.ProcessId != first.ProcessId))
            {
                return $"port {port} belongs to {string.Join(" and ", entries.Select(one => $"{one.Owner} of {one.ProcessId}"))}";
            }

            foreach (PortEntry entry in entries)
            {
                // Of an owner with a registration and a lease the first is shown.
                bool isServed = registry.TryGetPort(entry.Owner, out int served, protocol);
                registry.TryGetEntry(entry.Owner, out PortEntry byOwner, protocol);
                if (entry.State == PortState.Bound ? served != port || byOwner.Epoch != entry.Epoch : !isServed && byOwner.Epoch != entry.Epoch)
                {
                    return $"port {port} leads to {entry.Owner} {entry.State} epoch {entry.Epoch}, the owner to port {served}, {byOwner.State} on {byOwner.Port} epoch {byOwner.Epoch}";
                }
            }
        }

        foreach (string owner in owners)
        {
            if (registry.TryGetEntry(owner, out PortEntry entry, protocol) && entry.Port != 0 && !registry.EnumerateOwners(entry.Port, protocol).Any(one => one.Owner == owner && one.Epoch == entry.Epoch))
            {
                return $"{owner} is {entry.State} on {entry.Port}, where nobody knows it";
            }
        }

        return null;
    }

    /// <summary>Acquires every port of a range that nobody has and complains when one is missing.
    /// Nothing cools any more.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="range">All it hands out.</param>
    /// <param name="kept">The port that is kept for an owner, who has all that he ever asks for; or
    /// 0.</param>
    public static string? Leak(PortRegistry registry, PortRange range, int kept = 0) =>
        Leak(registry, range, kept, PortProtocol.Tcp) ?? Leak(registry, range, kept, PortProtocol.Udp);

    private static string? Leak(PortRegistry registry, PortRange range, int kept, PortProtocol protocol)
    {
        registry.AssertInvariants();
        int owners = registry.Snapshot().Entries.Where(entry => entry.State is PortState.Bound or PortState.Reserved).Select(entry => (entry.Owner, entry.Protocol)).Distinct().Count();
        if (registry.Parts.Table.EstimatedOwners != owners)
        {
            return $"{owners} owners have something, and {registry.Parts.Table.EstimatedOwners} places for owners are taken";
        }

        int held = Enumerable.Range(range.First, range.Count).Count(port => port == kept || registry.EnumerateOwners(port, protocol).Count > 0);
        int free = 0;
        PortRefusal? refusal;
        while (registry.Acquire(new PortRequest(string.Create(CultureInfo.InvariantCulture, $"last {free}")) { Protocol = protocol }, out _, out refusal))
        {
            free++;
        }

        registry.AssertInvariants();
        return held + free == range.Count ? null : $"{held} ports of {protocol} are held and {free} can be acquired, of {range.Count}: {refusal}";
    }
}
