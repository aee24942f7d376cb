using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The leases that one session acquired, and what they became.</summary>
/// <remarks>
/// <code>
///   _head ──► node (newest): lease, count ──► node ──► …      changed by CAS only
/// </code>
/// I1. A lease that is open or registered stays. Others go when the list has doubled since they
/// were last looked at. Progress: adding is lock-free, looking is wait-free. Memory: two nodes for
/// each lease that matters, and 16.
/// </remarks>
internal struct AcquiredLeases
{
    private const int Spare = 16;

    private Node? _head;

    public readonly int Count => _head?.Count ?? 0;

    /// <param name="lease">What was acquired.</param>
    /// <param name="events">Tells which of them may go.</param>
    public void Add(ILease lease, ISessionEvents events)
    {
        while (true)
        {
            Node? head = Volatile.Read(ref _head);
            Node added = new(lease, head, head?.PruneAt ?? Spare);
            if (added.Count > added.PruneAt)
            {
                added = Prune(added, events);
            }

            // Publishes the node; whoever comes second begins again.
            Hook.At(Step.NoteAcquired);
            if (ReferenceEquals(Interlocked.CompareExchange(ref _head, added, head), head))
            {
                return;
            }
        }
    }

    /// <summary>Whether a claim is one of these leases or the registration that used one
    /// up.</summary>
    public readonly bool Has(ClaimView claim)
    {
        for (Node? node = _head; node is not null; node = node.Next)
        {
            if (IsOf(node.Lease.Claim, claim) || (node.Lease.Twin is { } twin && IsOf(twin, claim)))
            {
                return true;
            }
        }

        return false;
    }

    // By the epoch it goes back to, because a registration that goes on over a new connection, or by
    // its program that was started again, is another claim.
    private static bool IsOf(PortClaim acquired, ClaimView claim) =>
        acquired.Origin == claim.Origin && acquired.Protocol == claim.Protocol && new ClaimView(acquired).Owner == claim.Owner;

    private static Node Prune(Node from, ISessionEvents events)
    {
        Node? kept = null;
        for (Node? node = from; node is not null; node = node.Next)
        {
            if (ReferenceEquals(node, from) || events.Matters(node.Lease.Claim) || (node.Lease.Twin is { } twin && events.Matters(twin)))
            {
                kept = new Node(node.Lease, kept, int.MaxValue);
            }
        }

        return new Node(kept!.Lease, kept.Next, Spare + (2 * kept.Count));
    }

    private sealed class Node(ILease lease, Node? next, int pruneAt)
    {
        public ILease Lease { get; } = lease;

        public Node? Next { get; } = next;

        public int Count { get; } = (next?.Count ?? 0) + 1;

        /// <summary>How long the list may get before it is looked through.</summary>
        public int PruneAt { get; } = pruneAt;
    }
}
