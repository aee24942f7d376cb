using Portmap.Diagnostics;
using Portmap.Persistence;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>How a registry comes back from its store. Before anybody else uses it.</summary>
/// <remarks>
/// <code>
///   1. cool what was released            for the time that is left
///   2. bring registrations back          Recovered: their processes live and have not signed in again
///   3. remember what others had          their last ports, and their last registrations
///   4. bring leases back                 above what their owners have; for the time that is left
///   5. tell what could not be read
/// </code>
/// </remarks>
internal sealed class Restoring(RegistryParts parts, Findings findings)
{
    /// <summary>Of the strategies that are not there any more so many are named.</summary>
    private const int MostUnknown = 8;

    private readonly TableLoading _loading = new(parts.Table);
    private readonly HashSet<string> _unknown = [];
    private string? _strategyName;
    private byte _strategy;

    public void Restore(OpenedStore opened)
    {
        Recovery recovery = opened.Recovery;
        parts.Fence.Restore(() => recovery.Last, isWhole: parts.Table.Confirms && opened.Unreadable.Count == 0);
        _loading.IsStored = (protocol, owner) => recovery.Last.ContainsKey((protocol, owner));
        _loading.MakeRoom(recovery.Bound.Count + recovery.Reserved.Count);
        foreach (PortFact fact in recovery.Cooling)
        {
            RestoreCooling(fact);
        }

        RestoreRegistrations(recovery.Bound);
        foreach (PortFact fact in opened.Remembered)
        {
            if (!_loading.IsServed(fact.Protocol, fact.Port, fact.Owner))   // else its cell knows
            {
                _loading.Remember(OwnerOf(fact), fact.Port);
            }
        }

        // After the registrations: a lease is above what its owner has. One for both protocols is
        // two facts of one epoch.
        foreach (IGrouping<(string Owner, long Epoch), PortFact> lease in recovery.Reserved.GroupBy(fact => (fact.Owner, fact.Epoch)))
        {
            RestoreLease([.. lease.OrderBy(fact => fact.Protocol)]);
        }

        foreach (string what in opened.Unreadable)
        {
            findings.Add(new PortFinding(PortFindingKind.StateUnreadable, what, "what was read is in force", "Look at what was kept aside, and at the disk"));
        }

        foreach (string strategy in _unknown)
        {
            PortmapLog.StrategyUnknown(parts.Log.Logger, strategy, parts.Strategies.NameOf(parts.Strategies.Default));
        }

        PortmapLog.Opened(parts.Log.Logger, recovery.Bound.Count, recovery.Reserved.Count, recovery.Ended.Count);
    }

    private void RestoreCooling(PortFact fact)
    {
        // Never longer than ports cool now.
        long delay = (long)parts.Settings.ReuseDelay.TotalMilliseconds;
        long left = Math.Min((long)(fact.Until - parts.Clock.ToUtc(parts.NowMs)).TotalMilliseconds, delay);

        // The fact does not tell whether the process died or signed out. Taken for a death, a port
        // that would have been kept goes back to its owner.
        ClaimEnd cause = fact.ProcessId != 0 ? ClaimEnd.Died : ClaimEnd.Released;
        _loading.Cool(OwnerOf(fact), ClaimOf(fact), cause, Math.Max(0, parts.NowMs + left - delay));
    }

    private void RestoreRegistrations(IEnumerable<PortFact> bound)
    {
        Dictionary<SessionKey, SessionHolder> sessions = [];
        foreach (PortFact fact in bound)
        {
            SessionKey key = new(Recovery.ProcessOf(fact), fact.UserId ?? -1L);
            if (!sessions.TryGetValue(key, out SessionHolder? session))
            {
                sessions.Add(key, session = new SessionHolder(parts.Sessions, key.Process, fact.UserId));
            }

            NewClaim claim = ClaimOf(fact, session);
            _loading.Restore(OwnerOf(fact), claim, PortGuarantee.HeldByProcess, parts.Clock.ToMs(fact.At));
        }
    }

    private void RestoreLease(PortFact[] halves)
    {
        PortFact first = halves[0];
        PortRequest request = new(first.Owner)
        {
            Protocol = halves.Length == 2 ? PortProtocol.TcpAndUdp : first.Protocol,
            Strategy = parts.Strategies.NameOf(StrategyOf(first)),
            UserId = first.UserId,
            Ports = parts.Pools.Told(first.Ports),
            LeaseTimeout = TimeOf(first) is var time && time == parts.Settings.LeaseTimeout ? null : time,
        };

        // Who acquired it for a user is not stored: it counts as that user, who has a right to no
        // more than its own.
        ILease lease = parts.NewLease(request, first.UserId is { } user ? new SessionHolder(parts.Sessions, 0, user) : null);
        PortClaim claim = RestoreHalf(first, lease);
        lease.Grant(claim, halves.Length == 2 ? RestoreHalf(halves[1], lease) : null);
    }

    private PortClaim RestoreHalf(PortFact half, ILease lease)
    {
        // For what is left of its time, by the wall clock; never longer than it was to live, also
        // when that was set back.
        long time = LeaseTimes.TimeoutMs(parts, lease);
        long left = Math.Clamp((long)(half.Until - parts.Clock.ToUtc(parts.NowMs)).TotalMilliseconds, 0, time);
        long at = Math.Max(0, parts.NowMs + left - time);

        // What held the port ended with the daemon.
        PortGuarantee guarantee = half.Port == 0 ? PortGuarantee.HeldByProcess : PortGuarantee.LedgerOnly;
        return _loading.Restore(OwnerOf(half), ClaimOf(half, lease: lease), guarantee, at);
    }

    /// <summary>How long a lease was to live from its fact on: the time it was acquired with, or
    /// extended by.</summary>
    private static TimeSpan TimeOf(PortFact lease)
    {
        TimeSpan time = lease.Until - lease.At;
        return time < LeaseTimes.Least ? LeaseTimes.Least : time > LeaseTimes.Most ? LeaseTimes.Most : time;
    }

    private NewClaim ClaimOf(PortFact fact, SessionHolder? holder = null, ILease? lease = null) => new()
    {
        Protocol = fact.Protocol,
        Port = fact.Port,
        Epoch = fact.Epoch,
        Origin = lease is null ? fact.Origin : 0,
        Strategy = StrategyOf(fact),
        Holder = holder,
        Lease = lease,
    };

    private OwnerKey OwnerOf(PortFact fact) => parts.Table.Key(fact.Protocol, fact.Owner);

    private byte StrategyOf(PortFact fact)
    {
        if (!ReferenceEquals(fact.Strategy, _strategyName))
        {
            bool isKnown = parts.Strategies.TryFind(fact.Strategy, out byte strategy);
            _strategy = isKnown ? strategy : parts.Strategies.Default;
            _strategyName = fact.Strategy;   // facts that were read one after the other share it
            if (!isKnown && fact.Strategy.Length != 0 && _unknown.Count < MostUnknown)
            {
                _unknown.Add(fact.Strategy);
            }
        }

        return _strategy;
    }

    /// <param name="Process">The process.</param>
    /// <param name="User">Its user, or -1.</param>
    private readonly record struct SessionKey(ProcessIdentity Process, long User)
    {
        public override int GetHashCode() => Process.Id;
    }
}
