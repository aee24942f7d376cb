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
// Progress: wait-free but for the looks at the process, which are made by the timer.
public sealed partial class PortSession
{
    private const int Connected = 0, Grace = 1, Hidden = 2, Recovered = 3, Over = 4, Dead = 5;

    private const int RegisterLookMs = 250;

    // When the process is looked at after the connection ended: the kernel closes sockets before the process shows as dead.
    private static readonly int[] s_looksMs = [10, 50, 250];

    private int _state;
    private Operations.AcquiredLeases _acquired;
    private long _lookedAt;
    private long _lookedToRegisterAt = long.MinValue / 2;
    private ITimer? _timer;
    private long _disconnectedAt;
    private int _look;

    internal bool IsServing => State <= Grace;

    internal bool IsConnected => State == Connected;

    internal bool IsDead => State == Dead;

    /// <summary>Its registrations are to be ended.</summary>
    internal bool IsOver => State >= Over;

    /// <summary>A connection of an unknown process that broke off: only the owner itself may take its place.</summary>
    internal bool IsHidden => State == Hidden || (State == Recovered && !Process.IsKnown);

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

    internal bool IsSameProcess(PortSession other) => ReferenceEquals(this, other) || (Process.IsKnown && Process == other.Process);

    /// <summary>How many leases it remembers; for tests.</summary>
    internal int CountAcquired => _acquired.Count;

    internal void NoteAcquired(PortLease lease) => _acquired.Add(lease);

    /// <summary>Whether this session acquired a lease, or the one that a registration used up.</summary>
    internal bool HasAcquired(PortClaim claim) => _acquired.Has(claim);

    /// <summary>Looks at the process now; false, and the session is dead, when it is gone. An unknown process is believed to live.</summary>
    internal bool CheckAlive()
    {
        if (IsOver)
        {
            return false;
        }

        if (!Process.IsKnown || Process.IsAlive())
        {
            return true;
        }

        MoveTo(Dead);
        return false;
    }

    /// <summary>As <see cref="CheckAlive"/>, at most once per interval; for the pass over all owners.</summary>
    internal bool CheckAliveEvery(long intervalMs, long now)
    {
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
        if (MoveTo(Process.IsKnown ? Grace : Hidden))
        {
            WaitOutGrace();
        }
    }

    private void WaitOutGrace()
    {
        _disconnectedAt = _registry.NowMs;
        if (LookAfterDisconnect())
        {
            // Armed after it is stored: its own callback arms it again.
            _timer = _registry.Clock.Provider.CreateTimer(static state => ((PortSession)state!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(NextLook(), Timeout.InfiniteTimeSpan);
        }
    }

    private void OnTimer()
    {
        bool goOn = true;
        try
        {
            goOn = LookAfterDisconnect();
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            _registry.ReportFailedPass(exception);   // a logger of the host's that throws must not end the process
        }

        if (goOn)
        {
            _timer?.Change(NextLook(), Timeout.InfiniteTimeSpan);
        }
        else
        {
            _timer?.Dispose();
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

        if (_registry.NowMs - _disconnectedAt >= (long)_registry.Settings.DisconnectGrace.TotalMilliseconds)
        {
            MoveTo(Over);
            _registry.SweepEndedSessions();
            return false;
        }

        return true;
    }

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
                return true;
            }
        }
    }
}
