using Microsoft.Extensions.Logging;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap;

public sealed partial class PortRegistry
{
    private long _passBegan;
    private int _sweepWanted;
    private int _sweeping;

    /// <summary>One pass: leases that ran out, processes that died, ports whose time has come. Never binds. A pass that finds another under way leaves it to it, but not one
    /// that began an interval ago: its thread may be suspended, and each of its steps may be made twice.</summary>
    internal void Maintain()
    {
        long now = NowMs, interval = (long)Settings.LivenessInterval.TotalMilliseconds;
        long other = Volatile.Read(ref _passBegan), mine = now + 1;   // 0 is none
        Hook.At(Step.BeginPass);
        if ((other != 0 && mine - other < interval) || Interlocked.CompareExchange(ref _passBegan, mine, other) != other)
        {
            return;
        }

        try
        {
            List<PortClaim>? expired = null, unseen = null;
            bool asks = AsksTheKernel;
            bool dead = false, recovered = false;
            foreach (OwnerCell cell in _table.Index.Cells())
            {
                if (cell.Served() is { Session: { } session } served)
                {
                    dead |= !session.CheckAliveEvery(interval, now);
                    recovered |= session.IsRecovered;
                    if (asks && served.Served == ServedAddresses.NotLookedAt && session.IsServing)
                    {
                        (unseen ??= []).Add(served);
                    }
                }

                // One whose registration is on the way to the disk is not late.
                if (cell.OpenLease() is { } lease && now - lease.Word.At >= Settings.LeaseTimeoutMs && cell.Top.Word.Stage != ClaimStage.Taking)
                {
                    (expired ??= []).Add(lease);
                }
            }

            if (dead)
            {
                Sweep();   // without asking whether a sweep is under way: it may be of a suspended thread
            }

            if (!recovered && !_settlement.IsOver)
            {
                _settlement.NobodyWaits();
            }

            Expire(expired, now);
            _table.Journal?.RetryIfFailing();
            _guard.DropKept(now - (long)Settings.ReuseDelay.TotalMilliseconds);
            _table.Space(PortProtocol.Tcp).DrainDue(now);
            if (_table.HasUdp)
            {
                _table.Space(PortProtocol.Udp).DrainDue(now);
            }

            ReviewServed(unseen);
            _holders.LookUpWanted(_log.ForeignHolder);   // last: it takes longest
            LogFindingsOnce();
            _log.TellLeftOut();
        }
        catch (Exception exception)
        {
            ReportFailedPass(exception);   // a timer must go on
        }
        finally
        {
            Hook.At(Step.EndPass);
            Interlocked.CompareExchange(ref _passBegan, 0, mine);
        }
    }

    /// <summary>Logs what a timer met.</summary>
    internal void ReportFailedPass(Exception exception) => _log.PassFailed(exception);

    /// <summary>Logs what the store does.</summary>
    internal void Report(Action<ILogger, Exception?> write, Exception? exception) => write(_log.Logger, exception);

    /// <summary>Ends the registrations of sessions that are over. Lookups have stopped already; this frees the ports.</summary>
    internal void SweepEndedSessions()
    {
        // Who finds a sweep under way leaves a note, so that thousands of processes that die at once cost two sweeps and not thousands.
        Hook.At(Step.NoteSweep);
        Volatile.Write(ref _sweepWanted, 1);
        Hook.At(Step.BeginSweep);
        while (Volatile.Read(ref _sweepWanted) != 0 && Interlocked.Exchange(ref _sweeping, 1) == 0)
        {
            Volatile.Write(ref _sweepWanted, 0);
            try
            {
                Sweep();
            }
            finally
            {
                Hook.At(Step.EndSweep);
                Interlocked.Exchange(ref _sweeping, 0);   // a full fence: a note left before it is seen by the next look
            }
        }
    }

    private void Sweep()
    {
        long now = NowMs;
        foreach (OwnerCell cell in _table.Index.Cells())
        {
            if (cell.Served() is { Session: { IsOver: true } session } claim)
            {
                _table.TryEnd(claim, session.EndCause, now);
            }
        }
    }

    /// <summary>As <see cref="SweepEndedSessions"/>, on a thread that only deaths wake.</summary>
    internal void SweepAfterDeath()
    {
        try
        {
            if (Volatile.Read(ref _disposed) == 0)
            {
                SweepEndedSessions();
            }
        }
        catch (Exception exception)
        {
            ReportFailedPass(exception);
        }
    }

    /// <summary>Tells that another process of a program goes on with what was registered for it.</summary>
    internal void AnnouncePassedOn(PortSession session, int from)
    {
        foreach (Operations.ServedProgram.Served served in session.Program!.Ports)
        {
            if (_table.Index.Find(served.Protocol, session.Program.Owner)?.Served() is { } claim && ReferenceEquals(claim.Session, session))
            {
                _table.Journal?.QueueAgain(claim);
                PortEntry entry = EntryOf(claim);
                _log.PassedOn(entry, from);
                if (_changes.IsRecording)
                {
                    _changes.Append(PortChangeKind.Registered, entry);
                }
            }
        }
    }

    /// <summary>Checks what must hold when nothing else runs; for tests.</summary>
    internal void AssertInvariants() => TableAudit.Check(_table);

    private void Expire(List<PortClaim>? expired, long now)
    {
        if (expired is null)
        {
            return;
        }

        // One read tells for all of them whether somebody listens there: such a port is a stranger's, not a cooling one.
        ListenTable? tcp = OperatingSystem.IsLinux() && Settings.Probe ? ListenTable.Read(PortProtocol.Tcp) : null;
        ListenTable? udp = tcp is not null && expired.Exists(claim => claim.Protocol == PortProtocol.Udp) ? ListenTable.Read(PortProtocol.Udp) : null;
        foreach (PortClaim lease in expired)
        {
            ListenTable? listeners = lease.Protocol == PortProtocol.Tcp ? tcp : udp;
            bool isClosed = lease.Guarantee == PortGuarantee.Exclusive;   // then nobody got in, and what UDP shows there is the placeholder
            if (_table.TryEnd(lease, ClaimEnd.Expired, now) && lease.Port != 0 && !isClosed && listeners?.Listens(lease.Port) == true)
            {
                _table.TryMarkForeign(lease.Protocol, lease.Port, now);
            }
        }
    }
}
