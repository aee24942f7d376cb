using System.Runtime.InteropServices;
using Portmap.Processes;

namespace Portmap.Persistence;

/// <summary>
/// What the facts of earlier runs mean now: the store is a hint about the world, not the truth.
/// </summary>
/// <remarks>
/// In this order, so that a claim that is over never outweighs one that lives:
/// <list type="number">
/// <item>another boot: every claim has ended, and nothing cools; a process that is dead or unknown
/// to be the same: its claims have ended</item>
/// <item>an owner keeps its highest Bound epoch, unless a higher one was of a process that is dead
/// or of a registration that was released, and its highest Reserved one, if that is above what the
/// Bound one goes back to (a lease is used up by what has its epoch, or goes back to it)</item>
/// <item>a port belongs to the process of the highest Bound epoch, with all its owners; else to the
/// highest Reserved one</item>
/// </list>
/// What ended by this is written as ended before the registry opens.
/// </remarks>
internal sealed class Recovery
{
    private readonly List<PortFact> _ended = [];
    private Dictionary<(PortProtocol Protocol, string Owner), PortFact>? _last;
    private readonly Guid _bootId;
    private readonly DateTimeOffset _now;
    private readonly TimeSpan _reuseDelay;

    private Recovery(Guid bootId, DateTimeOffset now, TimeSpan reuseDelay)
    {
        _bootId = bootId;
        _now = now;
        _reuseDelay = reuseDelay;
    }

    /// <summary>Registrations of living processes, which wait for their sign-in.</summary>
    public required IReadOnlyList<PortFact> Bound { get; init; }

    /// <summary>Open leases.</summary>
    public required IReadOnlyList<PortFact> Reserved { get; init; }

    /// <summary>What still keeps a port cool; one for each port.</summary>
    public required IReadOnlyList<PortFact> Cooling { get; init; }

    /// <summary>What has ended and is not written as that yet.</summary>
    public IReadOnlyList<PortFact> Ended => _ended;

    /// <summary>
    /// Of each owner the last registration; of one that has none its last lease, one with a port if
    /// there is any.
    /// </summary>
    /// <remarks>
    /// Made when somebody asks first: nobody does as long as owners come back to what they had.
    /// </remarks>
    public IReadOnlyDictionary<(PortProtocol Protocol, string Owner), PortFact> Last =>
        Volatile.Read(ref _last) ?? Interlocked.CompareExchange(ref _last, LastOf(All), null) ?? _last;

    /// <summary>All facts that stood when the store was opened.</summary>
    public required PortFact[] All { get; init; }

    /// <summary>Epochs up to this one may have been given.</summary>
    public required long UsedEpochs { get; init; }

    /// <summary>
    /// The mark of the epochs is missing or lower than an epoch that was given: it was lost.
    /// </summary>
    public required bool IsMarkLost { get; init; }

    /// <param name="facts">The facts that stand.</param>
    /// <param name="bootId">The boot of the host.</param>
    /// <param name="now">The wall clock.</param>
    /// <param name="reuseDelay">How long a port cools.</param>
    /// <param name="isAlive">Whether a process lives; asked once for each.</param>
    public static Recovery Of(PortFactSet facts, Guid bootId, DateTimeOffset now, TimeSpan reuseDelay, Func<ProcessIdentity, bool> isAlive)
    {
        PortFact[] all = facts.ToArray();
        List<PortFact> bound = new(all.Length), reserved = [], ended = [], cooling = [];
        Dictionary<ProcessIdentity, bool> alive = [];
        long highest = 0, nowMs = now.ToUnixTimeMilliseconds();
        foreach (PortFact fact in all)
        {
            highest = Math.Max(highest, fact.Epoch);
            if (fact.State == PortState.Cooling)
            {
                cooling.Add(fact);
            }
            else if (fact.BootId != bootId || (fact.State == PortState.Bound ? !IsAlive(fact) : fact.UntilMs <= nowMs))
            {
                ended.Add(fact);
            }
            else
            {
                (fact.State == PortState.Bound ? bound : reserved).Add(fact);
            }
        }

        // Most owners have one fact, and most states no conflict: then there is nothing to sort
        // out.
        if (facts.HasSeveral)
        {
            KeepOnePerOwner(bound, reserved, ended, cooling);
        }

        KeepOneProcessPerPort(bound, reserved, ended);
        Recovery recovery = new(bootId, now, reuseDelay)
        {
            Bound = bound,
            Reserved = reserved,
            Cooling = cooling,
            All = all,
            UsedEpochs = Math.Max(facts.Mark?.Epoch ?? 0, highest),
            IsMarkLost = highest > (facts.Mark?.Epoch ?? 0),
        };
        recovery._ended.AddRange(ended.Select(recovery.End));
        cooling.AddRange(recovery._ended);
        recovery.KeepCoolest(cooling);
        return recovery;

        bool IsAlive(PortFact fact)
        {
            ProcessIdentity process = ProcessOf(fact);
            ref bool known = ref CollectionsMarshal.GetValueRefOrAddDefault(alive, process, out bool exists);
            return exists ? known : known = !process.IsKnown || isAlive(process);
        }
    }

    private static (bool, bool, long) Rank(PortFact fact) => (fact.IsOfRegistration, fact.Port != 0, fact.Epoch);

    public static ProcessIdentity ProcessOf(PortFact fact) => new(fact.ProcessId, fact.ProcessStart);

    private static (PortProtocol Protocol, string Owner) Owner(PortFact fact) => (fact.Protocol, fact.Owner);

    private static Dictionary<(PortProtocol, string), PortFact> LastOf(PortFact[] facts)
    {
        Dictionary<(PortProtocol, string), PortFact> last = new(facts.Length);
        foreach (PortFact fact in facts)
        {
            ref PortFact? newest = ref CollectionsMarshal.GetValueRefOrAddDefault(last, Owner(fact), out _);
            newest = newest is null || Rank(fact).CompareTo(Rank(newest)) > 0 ? fact : newest;
        }

        return last;
    }

    private static void KeepOnePerOwner(List<PortFact> bound, List<PortFact> reserved, List<PortFact> ended, List<PortFact> cooling)
    {
        // Of the dead and the released ones too: the daemon may have been killed between a
        // replacement and the fact that what it replaced is over.
        Dictionary<(PortProtocol, string), long> highest = Highest(bound.Concat(ended.Where(fact => fact.State == PortState.Bound)).Concat(cooling.Where(fact => fact.IsOfRegistration)), Owner);
        Move(bound, ended, fact => fact.Epoch < highest[Owner(fact)]);

        // A lease whose registration was given back must not come back: it stands under port 0 when
        // its process brought the port. One that a process signed in beside stays open, though what
        // that process has may have the higher epoch.
        HashSet<(PortProtocol, string, long)> used = [.. bound.Concat(ended).Concat(cooling).Select(fact => (fact.Protocol, fact.Owner, fact.Fence))];
        highest = Highest(bound, Owner, fact => fact.Fence);
        Move(reserved, ended, fact => used.Contains((fact.Protocol, fact.Owner, fact.Epoch)) || (highest.TryGetValue(Owner(fact), out long fence) && fact.Epoch < fence));
        highest = Highest(reserved, Owner);
        Move(reserved, ended, fact => fact.Epoch < highest[Owner(fact)]);
    }

    private static void KeepOneProcessPerPort(List<PortFact> bound, List<PortFact> reserved, List<PortFact> ended)
    {
        if (reserved.Count == 0 && !Places.AnyTwice(bound))
        {
            return;
        }

        Dictionary<int, PortFact> holders = new(bound.Count);
        bool contested = false;
        foreach (PortFact fact in bound)
        {
            ref PortFact? holder = ref CollectionsMarshal.GetValueRefOrAddDefault(holders, Places.Of(fact), out _);
            contested |= holder is not null && ProcessOf(fact) != ProcessOf(holder);
            holder = holder is null || fact.Epoch > holder.Epoch ? fact : holder;
        }

        if (contested)
        {
            Move(bound, ended, fact => ProcessOf(fact) != ProcessOf(holders[Places.Of(fact)]));
        }

        // A Reserved claim has no process: the one that listens has the port.
        Dictionary<int, long> highest = Highest(reserved, Places.Of);
        Move(reserved, ended, fact => fact.Port != 0 && (holders.ContainsKey(Places.Of(fact)) || fact.Epoch < highest[Places.Of(fact)]));
    }

    private static Dictionary<TKey, long> Highest<TKey>(IEnumerable<PortFact> facts, Func<PortFact, TKey> key, Func<PortFact, long>? number = null)
        where TKey : notnull
    {
        Dictionary<TKey, long> highest = [];
        foreach (PortFact fact in facts)
        {
            ref long epoch = ref CollectionsMarshal.GetValueRefOrAddDefault(highest, key(fact), out _);
            epoch = Math.Max(epoch, number?.Invoke(fact) ?? fact.Epoch);
        }

        return highest;
    }

    private static void Move(List<PortFact> from, List<PortFact> to, Predicate<PortFact> which)
    {
        to.AddRange(from.FindAll(which));
        from.RemoveAll(which);
    }

    /// <summary>
    /// The end of a claim that this run has to write: its port cools from now on, unless the host
    /// was started anew.
    /// </summary>
    private PortFact End(PortFact fact) => new()
    {
        Protocol = fact.Protocol,
        Port = fact.Port,
        Owner = fact.Owner,
        Epoch = fact.Epoch,
        Origin = fact.Origin,
        State = PortState.Cooling,
        ProcessId = fact.ProcessId,
        ProcessStart = fact.ProcessStart,
        BootId = _bootId,
        At = _now,
        Until = fact.Port != 0 && fact.BootId == _bootId ? _now + _reuseDelay : _now,
        Strategy = fact.Strategy,
    };

    private void KeepCoolest(List<PortFact> cooling)
    {
        cooling.RemoveAll(fact => fact.CameToNothing);   // the port cools after whoever had it before, if it does
        if (cooling.Count == 0)
        {
            return;
        }

        HashSet<int> held = [.. Bound.Concat(Reserved).Select(Places.Of)];
        Dictionary<int, long> highest = Highest(cooling, Places.Of);
        cooling.RemoveAll(fact => fact.Port == 0 || fact.BootId != _bootId || fact.Until <= _now || held.Contains(Places.Of(fact)) || fact.Epoch < highest[Places.Of(fact)]);
    }
}
