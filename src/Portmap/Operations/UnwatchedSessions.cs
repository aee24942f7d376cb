using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The sessions that are not told of the death of their process: passes look for it,
/// whether they have registered anything or not.</summary>
/// <remarks>
/// <code>
///   _newest ──► node: session (weak) ──► node ──► …      changed by CAS; a pass takes the whole list, and puts back what stays
/// </code>
/// I1. A session that needs passes is here, or in the hands of a pass that is under way: it comes
/// here with each change by which it may need them, so it may be here more than once. It goes with
/// the first pass that finds that it needs none, or that nobody else has it.
/// Progress: lock-free.
/// </remarks>
/// <param name="isToldOfDeaths">Whether the kernel is asked to tell of deaths, where it can.</param>
internal sealed class UnwatchedSessions(bool isToldOfDeaths)
{
    private Node? _newest;
    private int _count;

    /// <summary>How many there are that a pass has to look at without being told that anybody has
    /// died.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>A session was opened, or is not as it was.</summary>
    /// <param name="session">The session.</param>
    /// <param name="more">How many more there are of those that <see cref="Count"/> counts.</param>
    public void Note(SessionHolder session, int more)
    {
        Interlocked.Add(ref _count, more);
        if (NeedsPasses(session))
        {
            Node node = new(session);
            Add(node, node);
        }
    }

    /// <summary>Looks at all, for one pass.</summary>
    /// <param name="isAlive">Looks at one.</param>
    /// <returns>Whether one is dead.</returns>
    public bool AreAnyOver(Func<SessionHolder, bool> isAlive)
    {
        bool isAnyOver = false;
        Node? rest = Interlocked.Exchange(ref _newest, null), stays = null, last = null;   // of two passes at once each has some
        try
        {
            while (rest is not null)
            {
                if (rest.Session.TryGetTarget(out SessionHolder? session))
                {
                    isAnyOver |= !isAlive(session);
                }

                Node node = rest;
                rest = node.Next;
                if (session is not null && NeedsPasses(session))
                {
                    node.Next = stays;
                    stays = node;
                    last ??= node;
                }
            }
        }
        finally
        {
            PutBack(rest);   // where a look threw: the next pass looks at them
            if (last is not null)
            {
                Add(stays!, last);
            }
        }

        return isAnyOver;
    }

    private void PutBack(Node? first)
    {
        if (first is not null)
        {
            Node last = first;
            while (last.Next is { } next)
            {
                last = next;
            }

            Add(first, last);
        }
    }

    private bool NeedsPasses(SessionHolder session)
    {
        WatchedProcess process = session.Watched;
        return !session.IsOver && (process.NeedsLook || (!isToldOfDeaths && session.Program is null && process.CanBeSeen));
    }

    private void Add(Node first, Node last)
    {
        Node? newest = Volatile.Read(ref _newest);
        while (true)
        {
            last.Next = newest;
            Hook.At(Step.NoteUnwatched);
            Node? seen = Interlocked.CompareExchange(ref _newest, first, newest);   // publishes the nodes to the pass that takes the list
            if (ReferenceEquals(seen, newest))
            {
                return;
            }

            newest = seen;
        }
    }

    private sealed class Node(SessionHolder session)
    {
        public WeakReference<SessionHolder> Session { get; } = new(session);

        /// <summary>Written only by who has taken the node out, or has yet to put it in.</summary>
        public Node? Next { get; set; }
    }
}
