using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>The pass that runs all the time: leases that ran out, processes that died, ports whose
/// time has come. Never binds.</summary>
/// <remarks>
/// <code>
///   0. follow the wall clock
///   1. ask who has ended              if nobody has, and nothing has changed since all were quiet, go on at 4
///   2. look at every owner            is its process alive, and that of a session that has none; has its lease run out; are its addresses known
///   3. sweep, if one has died; settle, if nobody waits for a sign-in any more; end leases; note addresses
///   4. retry the store; let go of kept ports; bring ports back into play
///   5. what takes longest             holders of strangers' ports, findings
/// </code>
/// </remarks>
internal sealed class LivenessPass(RegistryParts parts, Sweep sweep, Findings findings)
{
    /// <summary>A walk over 10,000 owners that nothing has changed of takes a millisecond or two of
    /// cold memory.</summary>
    private const int MostPassesWithoutAWalk = 60;

    private readonly long _interval = (long)parts.Settings.LivenessInterval.TotalMilliseconds;

    /// <summary>A process that was looked at longer ago than this is looked at now: the next pass
    /// would come too late for it.</summary>
    private readonly long _rest = (long)(parts.Settings.LivenessInterval - parts.Settings.PassPeriod).TotalMilliseconds;
    private long _began;   // 0: none is under way
    private Still? _still;

    /// <summary>Told by the first pass that finds nobody Recovered.</summary>
    public Settlement Settlement { get; set; } = Settlement.Done;

    /// <summary>One pass. One that finds another under way leaves it to it, but not one that began
    /// an interval ago: its thread may be suspended, and each of its steps may be made
    /// twice.</summary>
    public void Run()
    {
        long now = parts.NowMs, other = Volatile.Read(ref _began), mine = now + 1;
        Hook.At(Step.BeginPass);
        if ((other != 0 && mine - other < _interval) || Interlocked.CompareExchange(ref _began, mine, other) != other)
        {
            return;
        }

        long? began = parts.Metrics.BeginPass(parts.Clock.Provider);
        try
        {
            RunNow(now);
        }
        catch (Exception exception)
        {
            parts.Log.PassFailed(exception);   // a timer must go on
        }
        finally
        {
            parts.Metrics.EndPass(began, parts.Clock.Provider, "Liveness");
            Hook.At(Step.EndPass);
            Interlocked.CompareExchange(ref _began, 0, mine);
        }
    }

    /// <summary>The grace after the opening is over: who has not signed in again is looked at once
    /// more.</summary>
    public void LookAtRecovered()
    {
        try
        {
            bool isAnyOver = false;
            DeathWatch.Shared.ReadBook();
            foreach (OwnerView owner in parts.Table.Owners())
            {
                isAnyOver |= SessionHolder.Of(owner.Served) is { IsRecovered: true } session && !session.CheckAliveEvery(restMs: 0, parts.NowMs);
            }

            if (isAnyOver)
            {
                sweep.Run();
            }
        }
        catch (Exception exception)
        {
            parts.Log.PassFailed(exception);   // a timer must go on
        }
    }

    private void RunNow(long now)
    {
        if (parts.Clock.FollowWallClock())
        {
            parts.Journal?.TellLeasesAgain();
        }

        bool hasAnyEnded = DeathWatch.Shared.ReadBook(), isStirred = parts.Epochs.IsStirred;
        if (isStirred)
        {
            Volatile.Write(ref _still, null);   // before the note is taken: another pass sees one of the two
            parts.Epochs.Settle();
        }

        // What is drawn while the note is taken is published soon after, and met by the next walk:
        // only one that nothing was drawn before finds everybody still.
        Still seen = new(parts.SessionMoves, isStirred ? now : now + (MostPassesWithoutAWalk * _interval));
        Still? still = Volatile.Read(ref _still);
        if (hasAnyEnded || parts.Unwatched.Count != 0 || still is null || now >= still.UntilMs || still.Moves != seen.Moves)
        {
            Walk(now, seen);
        }

        parts.Journal?.RetryIfFailing();
        parts.Guard.DropKept(now - (long)parts.Settings.ReuseDelay.TotalMilliseconds);
        parts.Table.DrainDue(now);
        parts.Table.RetireIdle();
        parts.Holders.LookUpWanted(parts.Log.ForeignHolder);
        findings.LogOnce(parts);
        parts.Log.TellLeftOut();
        parts.LastPassMs = parts.NowMs;
    }

    /// <summary>Looks at every owner.</summary>
    private void Walk(long now, Still seen)
    {
        Volatile.Write(ref _still, null);
        Expiry expiry = new(parts, now);
        List<ClaimView>? unseen = null;
        bool isAnyOver = parts.Unwatched.AreAnyOver(session => session.CheckAliveEvery(_rest, now)), isAnyRecovered = false, isStill = true;
        foreach (OwnerView owner in parts.Table.Owners())
        {
            isStill &= owner.Lease.IsNone && !owner.IsPending();
            if (SessionHolder.Of(owner.Served) is { } session)
            {
                isAnyOver |= !session.CheckAliveEvery(_rest, now);
                isAnyRecovered |= session.IsRecovered;
                isStill &= session.IsConnected && !session.Watched.NeedsLook;
                if (parts.AsksTheKernel && owner.Served.Addresses == ServedAddresses.NotLookedAt && session.IsServing)
                {
                    (unseen ??= []).Add(owner.Served);
                }
            }

            expiry.Look(owner);
        }

        if (isAnyOver)
        {
            sweep.RunNow();
        }

        if (!isAnyRecovered && !Settlement.IsOver)
        {
            Settlement.NobodyWaits();
        }

        expiry.End();
        if (unseen is not null)
        {
            AddressReview.Look(parts, unseen);
        }
        else if (isStill)
        {
            Volatile.Write(ref _still, seen);
        }
    }

    /// <summary>What a walk found: no lease is open, nothing pending, and whoever dies is told of.
    /// So nobody has to be looked at before a time, unless something changes: a new lease or
    /// registration draws a number, unless its process goes on with what it had; a session moves;
    /// the kernel tells of a death.</summary>
    /// <param name="Moves">As <see cref="RegistryParts.SessionMoves"/> was.</param>
    /// <param name="UntilMs">When it is time to look all the same: at the addresses of a
    /// registration that went on, say.</param>
    private sealed record Still(long Moves, long UntilMs);
}
