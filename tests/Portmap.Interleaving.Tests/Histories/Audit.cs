using System.Globalization;

namespace Portmap.Interleaving.Tests.Histories;

/// <summary>Looks at a registry from outside while nobody moves, and says what must not
/// be.</summary>
internal static class Audit
{
    /// <summary>The first way in which the two ways to look disagree, or null.</summary>
    public static string? Disagreement(PortRegistry registry, IEnumerable<string> owners, IEnumerable<int> ports)
    {
        foreach (int port in ports)
        {
            IReadOnlyList<PortEntry> entries = registry.EnumerateOwners(port);
            bool isHeld = registry.TryGetEntry(port, out PortEntry first) && first.State is PortState.Bound or PortState.Reserved;
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
                bool isServed = registry.TryGetPort(entry.Owner, out int served);
                registry.TryGetEntry(entry.Owner, out PortEntry byOwner);
                if (entry.State == PortState.Bound ? served != port || byOwner.Epoch != entry.Epoch : !isServed && byOwner.Epoch != entry.Epoch)
                {
                    return $"port {port} leads to {entry.Owner} {entry.State} epoch {entry.Epoch}, the owner to port {served}, {byOwner.State} on {byOwner.Port} epoch {byOwner.Epoch}";
                }
            }
        }

        foreach (string owner in owners)
        {
            if (registry.TryGetEntry(owner, out PortEntry entry) && entry.Port != 0 && !registry.EnumerateOwners(entry.Port).Any(one => one.Owner == owner && one.Epoch == entry.Epoch))
            {
                return $"{owner} is {entry.State} on {entry.Port}, where nobody knows it";
            }
        }

        return null;
    }

    /// <summary>Acquires every port of a range that nobody has and complains when one is missing.
    /// Nothing cools any more.</summary>
    public static string? Leak(PortRegistry registry, PortRange range)
    {
        registry.AssertInvariants();
        int held = Enumerable.Range(range.First, range.Count).Count(port => registry.EnumerateOwners(port).Count > 0);
        int free = Enumerable.Range(0, range.Count + 1).Count(i => registry.Acquire(string.Create(CultureInfo.InvariantCulture, $"last {i}"), out _, out _));
        registry.AssertInvariants();
        return held + free == range.Count ? null : $"{held} ports are held and {free} can be acquired, of {range.Count}";
    }
}
