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

    private readonly Dictionary<Key, PortFact> _facts = [];

    /// <summary>How many claims there are facts about.</summary>
    public int Count => _facts.Count;

    public bool IsEmpty => Count == 0 && Mark is null;

    /// <summary>The highest mark, or null.</summary>
    public PortFact? Mark { get; private set; }

    /// <summary>The facts about claims, in no order.</summary>
    public Dictionary<Key, PortFact>.ValueCollection Claims => _facts.Values;

    public void Clear()
    {
        _facts.Clear();
        Mark = null;
    }

    public void Apply(PortFact fact)
    {
        if (fact.IsMark)
        {
            Mark = Mark is null || fact.Epoch > Mark.Epoch ? fact : Mark;
            return;
        }

        ref PortFact? standing = ref CollectionsMarshal.GetValueRefOrAddDefault(_facts, new Key(fact), out _);
        if (standing is null || fact.StandsAgainst(standing))
        {
            standing = fact;
        }
    }

    /// <summary>
    /// Drops the ended facts that nobody needs: a later claim on the port is known, or there is no
    /// port. What ended last on a port stays: it says whose port that was, so what is kept is
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
        foreach (PortFact fact in _facts.Values)
        {
            anyEnded |= fact.State == PortState.Cooling;
            if (fact.State == PortState.Cooling && fact.Port != 0)
            {
                newest[Place(fact)] = long.MinValue;
            }
        }

        if (!anyEnded)
        {
            return;
        }

        // Before anything is dropped: a later claim counts, whether it has cooled as well or not.
        foreach (PortFact fact in _facts.Values)
        {
            ref long epoch = ref CollectionsMarshal.GetValueRefOrNullRef(newest, Place(fact));
            if (!Unsafe.IsNullRef(ref epoch))
            {
                epoch = Math.Max(epoch, fact.Epoch);
            }
        }

        foreach ((Key key, PortFact fact) in _facts)
        {
            if (fact.State == PortState.Cooling && (fact.Port == 0 ? fact.UntilMs <= nowMs : fact.Epoch < newest[Place(fact)]))
            {
                _facts.Remove(key);   // allowed while the dictionary is enumerated
            }
        }
    }

    /// <summary>
    /// Makes room for what a file of this length may hold, so that it need not be made piece by
    /// piece.
    /// </summary>
    public void MakeRoom(long fileLength, int typicalLine) => _facts.EnsureCapacity((int)Math.Min(fileLength / typicalLine, MostExpected));

    private static int Place(PortFact fact) => ((int)fact.Protocol << 16) | fact.Port;

    internal readonly record struct Key(PortProtocol Protocol, int Port, string Owner)
    {
        public Key(PortFact fact)
            : this(fact.Protocol, fact.Port, fact.Owner)
        {
        }
    }
}
