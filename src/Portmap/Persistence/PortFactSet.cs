using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Portmap.Persistence;

/// <summary>
/// The facts that stand: for each (protocol, port, owner) the latest, and the highest mark. The
/// same set comes out whatever the order of the facts and however often each is applied.
/// </summary>
/// <remarks>Not safe for threads.</remarks>
internal sealed class PortFactSet
{
    /// <summary>Every port of both protocols: more is made room for as it comes.</summary>
    private const int MostExpected = 2 * 65_536;

    // Nearly every owner has one fact: that is kept by owner, the others by owner and port. A fact
    // is in one of the two.
    private readonly Dictionary<OwnerKey, PortFact> _facts = [];
    private readonly Dictionary<Key, PortFact> _others = [];

    /// <summary>How many claims there are facts about.</summary>
    public int Count => _facts.Count + _others.Count;

    public bool IsEmpty => Count == 0 && Mark is null;

    /// <summary>Whether an owner may have several facts; else each has one.</summary>
    public bool HasSeveral => _others.Count != 0;

    /// <summary>The highest mark, or null.</summary>
    public PortFact? Mark { get; private set; }

    /// <summary>The facts about claims, in no order.</summary>
    public IEnumerable<PortFact> Claims => HasSeveral ? _facts.Values.Concat(_others.Values) : _facts.Values;

    /// <summary>The facts about claims as they are now.</summary>
    public PortFact[] ToArray()
    {
        PortFact[] facts = new PortFact[Count];
        _facts.Values.CopyTo(facts, 0);
        _others.Values.CopyTo(facts, _facts.Count);
        return facts;
    }

    public void Clear()
    {
        _facts.Clear();
        _others.Clear();
        Mark = null;
    }

    public void Apply(PortFact fact)
    {
        if (fact.IsMark)
        {
            Mark = Mark is null || fact.Epoch > Mark.Epoch ? fact : Mark;
            return;
        }

        if (!HasSeveral || !_others.ContainsKey(new Key(fact)))
        {
            ref PortFact? first = ref CollectionsMarshal.GetValueRefOrAddDefault(_facts, new OwnerKey(fact), out _);
            if (first is null || first.Port == fact.Port)
            {
                first = first is null || fact.StandsAgainst(first) ? fact : first;
                return;
            }
        }

        ref PortFact? standing = ref CollectionsMarshal.GetValueRefOrAddDefault(_others, new Key(fact), out _);
        if (standing is null || fact.StandsAgainst(standing))
        {
            standing = fact;
        }
    }

    /// <summary>
    /// Drops the ended facts that nobody needs: a later claim on the port is known, there is no
    /// port, or the claim came to nothing. What ended last on a port stays: it says whose port that was, so what is kept is
    /// bounded by the ports.
    /// </summary>
    /// <remarks>
    /// A dropped fact leaves nothing behind that it would have to outweigh: the earlier facts of
    /// its claim went when it was applied.
    /// </remarks>
    public void Forget(DateTimeOffset now)
    {
        long nowMs = now.ToUnixTimeMilliseconds();
        Dictionary<int, long> newest = [];   // of the places that cool, the highest epoch
        bool anyEnded = false;
        foreach (PortFact fact in Claims)
        {
            anyEnded |= fact.State == PortState.Cooling;
            if (fact.State == PortState.Cooling && fact.Port != 0)
            {
                newest[Places.Of(fact)] = long.MinValue;
            }
        }

        if (!anyEnded)
        {
            return;
        }

        // Before anything is dropped: a later claim counts, whether it has cooled as well or not.
        foreach (PortFact fact in Claims)
        {
            ref long epoch = ref CollectionsMarshal.GetValueRefOrNullRef(newest, Places.Of(fact));
            if (!Unsafe.IsNullRef(ref epoch) && !fact.CameToNothing)
            {
                epoch = Math.Max(epoch, fact.Epoch);
            }
        }

        Drop(_facts, IsOver);
        Drop(_others, IsOver);

        // One without a port that was over when it came about stays that when the clock is set back.
        bool IsOver(PortFact fact) => fact.State == PortState.Cooling
            && (fact.CameToNothing || (fact.Port == 0 ? fact.UntilMs <= Math.Max(nowMs, fact.AtMs) : fact.Epoch < newest[Places.Of(fact)]));
    }

    /// <summary>
    /// Makes room for what a file of this length may hold, so that it need not be made piece by
    /// piece.
    /// </summary>
    public void MakeRoom(long fileLength, int typicalLine) => _facts.EnsureCapacity((int)Math.Min(fileLength / typicalLine, MostExpected));

    private static void Drop<TKey>(Dictionary<TKey, PortFact> facts, Predicate<PortFact> isOver)
        where TKey : notnull
    {
        foreach ((TKey key, PortFact fact) in facts)
        {
            if (isOver(fact))
            {
                facts.Remove(key);   // allowed while the dictionary is enumerated
            }
        }
    }

    private readonly record struct OwnerKey(PortProtocol Protocol, string Owner)
    {
        public OwnerKey(PortFact fact)
            : this(fact.Protocol, fact.Owner)
        {
        }

        /// <summary>That of the name, which is seeded: names are chosen by others.</summary>
        public override int GetHashCode() => Owner.GetHashCode(StringComparison.Ordinal);
    }

    private readonly record struct Key(PortProtocol Protocol, int Port, string Owner)
    {
        public Key(PortFact fact)
            : this(fact.Protocol, fact.Port, fact.Owner)
        {
        }
    }
}
