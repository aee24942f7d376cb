using Portmap.Processes;
using Portmap.Table;

namespace Portmap;

// The state of a session, one word that all its claims share, so that a death makes all of them invisible in one step:
//
//   Connected ──► Grace (served) ──► Over        the connection ended; process alive; nobody came back in time
//       │  └────► Hidden (not served) ─► Over    the same with a process nothing is known about
//       │         Recovered (not served)         read from the store: it never had a connection to this run
//       │                 Recovered ─► Over              the same of a process nothing is known about that does not come back within the grace
//       └──────────────┴────────► Dead           the process died
//
// I1. The word moves only to the right (CAS); Over and Dead are final.
// I2. Lookups read it after the claim (IsServing), so a claim of a session that is Hidden, Over or Dead is absent from that read on.
// The process beside it changes only for a program that the host registered for: when its listener dies and another process of it goes on listening there.
//
// I3. _process is replaced by CAS while the word says Connected; its descriptor is given back when it is replaced or the session is over.
// Progress: wait-free but for the looks at the process, which are made by the timer and by who is told of its death.
public sealed partial class PortSession : IDeathObserver
{
    private const int Connected = 0, Grace = 1, Hidden = 2, Recovered = 3, Over = 4, Dead = 5;

    private const int RegisterLookMs = 250;

    // When the process is looked at after the connection ended: the kernel closes sockets before the process shows as dead.
    private static readonly int[] s_looksMs = [10, 50, 250];

    /// <summary>How long a connection outlives its process before that is held against it.</summary>
    private static readonly TimeSpan s_lastWords = TimeSpan.FromMilliseconds(20);

    private readonly Operations.ServedProgram? _program;
    private WatchedProcess _process;
    private int _state;
    private Operations.AcquiredLeases _acquired;
    private long _lookedAt;
    private long _lookedToRegisterAt = long.MinValue / 2;
    private ITimer? _timer;
    private ITimer? _exitTimer;
    private TaskCompletionSource? _ended;
    private long _disconnectedAt;
    private int _look;

    internal bool IsServing => State <= Grace;

    internal bool IsConnected => State == Connected;

    internal bool IsDead => State == Dead;

    /// <summary>Its registrations are to be ended.</summary>
    internal bool IsOver => State >= Over;

    /// <summary>A connection of an unknown process that broke off: only the owner itself may take its place.</summary>
    internal bool IsHidden => State == Hidden || (State == Recovered && !Process.IsKnown);

    internal WatchedProcess Watched => Volatile.Read(ref _process);

    /// <summary>The program the host registered for, or null.</summary>
    internal Operations.ServedProgram? Program => _program;

    /// <summary>Read from the store; its process has not signed in again yet.</summary>
    internal bool IsRecovered => State == Recovered;

    private int State
    {
        get
        {
            Hook.At(Step.ReadSession);
            return Volatile.Read(ref _state);
        }
    }

    internal ClaimEnd EndCause => IsDead ? ClaimEnd.Died : ClaimEnd.Disconnected;

    internal bool IsSameProcess(PortSession other) => ReferenceEquals(this, other) || Watched.IsSame(other.Watched);

    /// <summary>How many leases it remembers; for tests.</summary>
    internal int CountAcquired => _acquired.Count;

    internal void NoteAcquired(PortLease lease) => _acquired.Add(lease);

    /// <summary>Whether this session acquired a lease, or the one that a registration used up.</summary>
    internal bool HasAcquired(PortClaim claim) => _acquired.Has(claim);

    /// <summary>Looks at the process now; false, and the session is dead, when it is gone and nobody of its program goes on. An unknown process is
    /// believed to live.</summary>
    internal bool CheckAlive()
    {
        if (IsOver)
        {
            return false;
        }

        WatchedProcess process = Watched;
        if (process.IsAlive() || TryPassOn(process))
        {
            return true;
        }

        MoveTo(Dead);
        return false;
    }

    /// <summary>The listener is gone, or listens no more: another process of the program that listens on its port takes its place.</summary>
    internal bool TryPassOn(WatchedProcess from)
    {
        if (_program?.FindSibling(from, this) is not { } sibling)
        {
            return false;
        }

        if (Interlocked.CompareExchange(ref _process, sibling, from) != from)
        {
            sibling.Dispose();   // somebody else found it as well
            return !IsOver;
        }

        from.Dispose();
        if (IsOver)
        {
            sibling.Dispose();
            return false;
        }

        sibling.TellWhenItEnds();
        _registry.AnnouncePassedOn(this, from.Identity.Id);
        return true;
    }

    /// <summary>Completes when the session is over: its process has died, or it was disposed and its grace has passed.</summary>
    /// <value>Never faults. A server whose connection outlives its process (the process forked, and the child holds the socket) closes it then, so that the
    /// child connects anew. Where the kernel tells of deaths (pidfd_open, Linux 5.3) it completes 20 ms after one, else with the next pass.</value>
    public Task Ended
    {
        get
        {
            TaskCompletionSource? source = Volatile.Read(ref _ended);
            if (source is null)
            {
                TaskCompletionSource made = new(TaskCreationOptions.RunContinuationsAsynchronously);
                source = Interlocked.CompareExchange(ref _ended, made, null) ?? made;   // a full fence: who moves the word after it sees the source
                if (IsOver)
                {
                    source.TrySetResult();
                }
            }

            return source.Task;
        }
    }

    void IDeathObserver.OnProcessExited()
    {
        if (_program is null && IsConnected && TryLookAfterLastWords())
        {
            return;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static session => session.LookAfterExit(), this, preferLocal: false);
    }

    /// <summary>What it said last is on its connection still, a sign-out for instance: that is heard first. False when the host's clock makes no timer.</summary>
    private bool TryLookAfterLastWords()
    {
        try
        {
            ITimer timer = _registry.Clock.Provider.CreateTimer(static state => ((PortSession)state!).LookAfterExit(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Volatile.Write(ref _exitTimer, timer);
            timer.Change(s_lastWords, Timeout.InfiniteTimeSpan);
            return true;
        }
        catch (Exception exception)
        {
            _registry.ReportFailedPass(exception);
            return false;
        }
    }

    private void LookAfterExit()
    {
        try
        {
            Volatile.Read(ref _exitTimer)?.Dispose();
            if (!CheckAlive())
            {
                _registry.SweepAfterDeath();
            }
        }
        catch (Exception exception)
        {
            _registry.ReportFailedPass(exception);
        }
    }

    /// <summary>As <see cref="CheckAlive"/>, at most once per interval; for the pass over all owners.</summary>
    internal bool CheckAliveEvery(long intervalMs, long now)
    {
        if (EndIfLate(now))
        {
            return false;   // its own timer is late, or was never armed
        }

        long looked = Volatile.Read(ref _lookedAt);
        Hook.At(Step.NoteLook);
        if (now - looked < intervalMs || Interlocked.CompareExchange(ref _lookedAt, now, looked) != looked)
        {
            return !IsOver;
        }

        return CheckAlive();
    }

    /// <summary>As <see cref="CheckAlive"/>, for a registration. A process that signs thousands of owners in is not looked at for each (14 µs): one that was
    /// alive less than <see cref="RegisterLookMs"/> ago is believed to live, which is as long as any death may go unseen.</summary>
    internal bool CheckAliveToRegister(long now)
    {
        if (now - Volatile.Read(ref _lookedToRegisterAt) < RegisterLookMs)
        {
            return !IsOver;
        }

        Volatile.Write(ref _lookedToRegisterAt, now);   // before the look: the age of what is seen is never taken for less than it is
        return CheckAlive();
    }

    private void Disconnect()
    {
        if (!IsConnected)
        {
            return;
        }

        Volatile.Write(ref _disconnectedAt, _registry.NowMs);   // published by the move
        if (!MoveTo(Watched.CanBeSeen ? Grace : Hidden))
        {
            return;
        }

        if (IsHidden)
        {
            _registry.TellHidden(this);
        }

        WaitOutGrace();
    }

    private void WaitOutGrace()
    {
        if (LookAfterDisconnect())
        {
            try
            {
                // Armed after it is stored: its own callback arms it again.
                _timer = _registry.Clock.Provider.CreateTimer(static state => ((PortSession)state!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                _timer.Change(NextLook(), Timeout.InfiniteTimeSpan);
            }
            catch (Exception exception)
            {
                _registry.ReportFailedPass(exception);   // the host's clock failed; the passes end what this timer would have ended
            }
        }
    }

    private void OnTimer()
    {
        try
        {
            if (LookAfterDisconnect())
            {
                _timer?.Change(NextLook(), Timeout.InfiniteTimeSpan);
            }
            else
            {
                _timer?.Dispose();
            }
        }
        catch (Exception exception)
        {
            _registry.ReportFailedPass(exception);   // as above
        }
    }

    /// <summary>False when there is nothing left to wait for.</summary>
    private bool LookAfterDisconnect()
    {
        if (!CheckAlive())
        {
            _registry.SweepEndedSessions();
            return false;
        }

        if (EndIfLate(_registry.NowMs))
        {
            _registry.SweepEndedSessions();
            return false;
        }

        return true;
    }

    /// <summary>Ends the session when nobody came back within the grace.</summary>
    private bool EndIfLate(long now) =>
        (State == Grace || IsHidden)
        && now - Volatile.Read(ref _disconnectedAt) >= (long)_registry.Settings.DisconnectGrace.TotalMilliseconds
        && MoveTo(Over);

    private TimeSpan NextLook()
    {
        long grace = (long)_registry.Settings.DisconnectGrace.TotalMilliseconds;
        long at = _look < s_looksMs.Length ? Math.Min(s_looksMs[_look++], grace) : grace;
        return TimeSpan.FromMilliseconds(Math.Max(0, _disconnectedAt + at - _registry.NowMs));
    }

    private bool MoveTo(int state)
    {
        while (true)
        {
            int now = State;
            if (now >= state || (state == Hidden && now == Grace))
            {
                return false;
            }

            // Publishes the new state to all lookups of this session's claims at once.
            Hook.At(Step.MoveSession);
            if (Interlocked.CompareExchange(ref _state, state, now) == now)
            {
                if (state >= Over)
                {
                    Watched.Dispose();
                    Volatile.Read(ref _ended)?.TrySetResult();
                }

                return true;
            }
        }
    }
}
