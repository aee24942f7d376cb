using Portmap.Guarding;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap.Upkeep;

/// <summary>The pass that runs all the time: leases that ran out, processes that died, ports whose
/// time has come. Never binds.</summary>
/// <remarks>
/// <code>
///   1. look at every owner            is its process alive; has its lease run out; are its addresses known
///   2. sweep, if one has died
///   3. settle, if nobody waits for a sign-in any more
///   4. end leases; retry the store; let go of kept ports; bring ports back into play
///   5. what takes longest             addresses, holders of strangers' ports, findings
/// </code>
/// </remarks>
internal sealed class LivenessPass(RegistryParts parts, Sweep sweep, Findings findings)
{
    private readonly long _interval = (long)parts.Settings.LivenessInterval.TotalMilliseconds;
    private long _began;   // 0: none is under way

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
            foreach (OwnerView owner in parts.Table.Owners())
            {
                isAnyOver |= SessionHolder.Of(owner.Served) is { IsRecovered: true } session && !session.CheckAliveEvery(intervalMs: 0, parts.NowMs);
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
        Expiry expiry = new(parts, now);
        List<ClaimView>? unseen = null;
        bool isAnyOver = false, isAnyRecovered = false;
        foreach (OwnerView owner in parts.Table.Owners())
        {
            if (SessionHolder.Of(owner.Served) is { } session)
            {
                isAnyOver |= !session.CheckAliveEvery(_interval, now);
                isAnyRecovered |= session.IsRecovered;
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
        parts.Journal?.RetryIfFailing();
        parts.Guard.DropKept(now - (long)parts.Settings.ReuseDelay.TotalMilliseconds);
        parts.Table.DrainDue(now);
        parts.Table.RetireIdle();
        if (unseen is not null)
        {
            AddressReview.Look(parts, unseen);
        }

        parts.Holders.LookUpWanted(parts.Log.ForeignHolder);
        findings.LogOnce(parts);
        parts.Log.TellLeftOut();
        parts.LastPassMs = parts.NowMs;
    }
}
