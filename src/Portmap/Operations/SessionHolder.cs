using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>One process over one connection, with the state that all its registrations share
/// (<see cref="ClaimHolder"/>).</summary>
/// <remarks>
/// <para>The process changes only for a program that the host registered for: when its listener
/// dies and another process of it goes on listening there. I3. It is replaced by CAS while the
/// state says Connected; its descriptor is given back when it is replaced or the session is
/// over.</para>
/// Progress: wait-free but for the looks at the process, which are made by the timer and by who is
/// told of its death.
/// </remarks>
[DebuggerDisplay("{Display,nq}")]
internal sealed class SessionHolder : ClaimHolder, IDeathObserver
{
    private const int RegisterLookMs = 250;

    // When the process is looked at after the connection ended: the kernel closes sockets before
    // the process shows as dead.
    private static readonly int[] s_looksMs = [10, 50, 250];

    /// <summary>How long a connection outlives its process before that is held against
    /// it.</summary>
    private static readonly TimeSpan s_lastWords = TimeSpan.FromMilliseconds(20);

    private readonly ISessionEvents _events;
    private readonly ServedProgram? _program;
    private readonly bool _isOfTrustedUser;
    private bool _isOfHost;
    private WatchedProcess _process;
    private AcquiredLeases _acquired;
    private long _lookedAt;
    private long _lookedToRegisterAt = long.MinValue / 2;
    private ITimer? _timer;
    private ITimer? _exitTimer;
    private TaskCompletionSource? _ended;
    private long _disconnectedAt;
    private int _look;
    private int _isUnwatched;
    private int _isLeft;   // 1: it was found dead, and nobody was told to end what it registered

    public SessionHolder(ISessionEvents events, int processId, uint? userId, ServedProgram? program = null)
        : base(HolderState.Connected)
    {
        _events = events;
        _program = program;
        UserId = userId;
        _isOfTrustedUser = ProcessUser.Own is not { } own || userId == own || userId == ProcessUser.Root;
        _process = WatchedProcess.Open(processId, observer: this, out bool isDead, events.Host);
        if (isDead)
        {
            MoveTo(HolderState.Dead);   // gone before it could be looked at; a process of another pid namespace is 0
        }
        else if (program is not null || events.WatchesProcesses)
        {
            _process.TellWhenItEnds();
        }

        NoteMove();
    }

    /// <summary>A process that was registered in an earlier run and lives; it never had a
    /// connection to this one.</summary>
    public SessionHolder(ISessionEvents events, ProcessIdentity recovered, uint? userId)
        : base(HolderState.Recovered)
    {
        _events = events;
        UserId = userId;
        _process = WatchedProcess.Of(recovered, events.Host);
        _lookedAt = events.Clock.NowMs;
        if (!recovered.IsKnown)
        {
            _disconnectedAt = events.Clock.NowMs;
            WaitOutGrace();   // nobody can see it die, so its owner has as long to come back as after a connection that broke off
        }

        NoteMove();
    }

    /// <summary>One over which the host itself speaks: it may everything.</summary>
    /// <param name="events">What surrounds it.</param>
    /// <param name="processId">The process, or 0.</param>
    /// <param name="program">The program it is a process of, which the host registers for; such a
    /// session has no connection.</param>
    public static SessionHolder OfHost(ISessionEvents events, int processId, ServedProgram? program = null) =>
        new(events, processId, ProcessUser.Of(processId), program) { _isOfHost = true };

    /// <summary>The user it speaks for, or null when it is not known. With its claims it outlives
    /// the process.</summary>
    public uint? UserId { get; }

    /// <summary>Root, the daemon's user, or the host itself. Where users are not known (not Linux),
    /// whoever got in.</summary>
    public bool IsTrusted => _isOfTrustedUser || _isOfHost;

    /// <summary>The host itself speaks over it.</summary>
    public bool IsOfHost => _isOfHost;

    /// <summary>The host opened it itself, and nothing is known of its process.</summary>
    public bool IsVouchedFor { get; init; }

    /// <summary>A connection of an unknown process that broke off: only the owner itself may take
    /// its place.</summary>
    public bool IsHidden => State == HolderState.Hidden || (State == HolderState.Recovered && !Process.IsKnown);

    public WatchedProcess Watched => Volatile.Read(ref _process);

    public ProcessIdentity Process => Watched.Identity;

    /// <summary>0 when it is not known.</summary>
    public int ProcessId => Process.Id;

    /// <summary>What a debugger shows.</summary>
    internal string Display => $"{State}: {(ProcessId == 0 ? "unknown process" : $"pid {ProcessId}")}, user {UserId?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}";

    /// <summary>The program the host registered for, or null.</summary>
    public ServedProgram? Program => _program;

    /// <summary>How many leases it remembers; for tests.</summary>
    public int CountAcquired => _acquired.Count;

    /// <summary>The session of a registration; null for a lease, or none.</summary>
    public static SessionHolder? Of(ClaimView claim) => Unsafe.As<SessionHolder?>(claim.Holder);

    public override bool IsSameProcess(ClaimHolder other) =>
        ReferenceEquals(this, other) || Watched.IsSame(Unsafe.As<SessionHolder>(other).Watched);

    public void NoteAcquired(ILease lease) => _acquired.Add(lease, _events);

    /// <summary>Whether this session acquired a lease, or the one that a registration used
    /// up.</summary>
    public bool HasAcquired(ClaimView claim) => _acquired.Has(claim);

    /// <summary>Looks at the process now; false, and the session is dead, when it is gone and
    /// nobody of its program goes on. An unknown process is believed to live; so is a program while
    /// nobody can tell who goes on.</summary>
    public bool CheckAlive()
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

        Volatile.Write(ref _isLeft, 1);   // before the move: who finds it over sees it
        MoveTo(HolderState.Dead);
        return false;
    }

    /// <summary>The listener is gone, or listens no more: another process of the program that
    /// listens on its port takes its place.</summary>
    /// <returns>False when there is none. True also while nobody can tell: the next pass looks
    /// again.</returns>
    public bool TryPassOn(WatchedProcess from)
    {
        if (_program is not { } program)
        {
            return false;
        }

        bool isSeen = program.TryFindSibling(from, this, out WatchedProcess? sibling);
        if (sibling is null)
        {
            return !isSeen;
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
        NoteMove();
        _events.PassedOn(this, from.Identity.Id);
        return true;
    }

    /// <summary>Completes when the session is over: its process has died, or it was disposed and
    /// its grace has passed.</summary>
    /// <value>Never faults. A server whose connection outlives its process (the process forked, and
    /// the child holds the socket) closes it then, so that the child connects anew. Where the
    /// kernel tells of deaths (pidfd_open, Linux 5.3) it completes 20 ms after one, else with the
    /// next pass.</value>
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

    /// <summary>What it said last is on its connection still, a sign-out for instance: that is
    /// heard first. False when the host's clock makes no timer.</summary>
    private bool TryLookAfterLastWords()
    {
        try
        {
            ITimer timer = _events.Clock.Provider.CreateTimer(static state => ((SessionHolder)state!).LookAfterExit(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Volatile.Write(ref _exitTimer, timer);
            timer.Change(s_lastWords, Timeout.InfiniteTimeSpan);
            return true;
        }
        catch (Exception exception)
        {
            _events.Failed(exception);
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
                Volatile.Write(ref _isLeft, 0);
                _events.Died();
            }
        }
        catch (Exception exception)
        {
            _events.Failed(exception);
        }
    }

    /// <summary>As <see cref="CheckAlive"/>, but for one that was looked at less than
    /// <paramref name="restMs"/> ago and has no note; for the pass over all owners, which has read
    /// the book of the <see cref="DeathWatch"/>.</summary>
    public bool CheckAliveEvery(long restMs, long now)
    {
        if (EndIfLate(now))
        {
            return false;   // its own timer is late, or was never armed
        }

        WatchedProcess process = Watched;
        if (!process.NeedsLook)
        {
            return !IsOver;
        }

        long looked = Volatile.Read(ref _lookedAt);
        Hook.At(Step.NoteLook);
        if ((now - looked < restMs && !process.HasNote) || Interlocked.CompareExchange(ref _lookedAt, now, looked) != looked)
        {
            return !IsOver;
        }

        HoldOnTo(process);
        return CheckAlive();
    }

    /// <summary>A process read from the store, or that there was no descriptor left for, gets one
    /// if that can be had now.</summary>
    private void HoldOnTo(WatchedProcess process)
    {
        if (process.TryHold(this) is not { } held)
        {
            return;
        }

        if (Interlocked.CompareExchange(ref _process, held, process) != process || IsOver)
        {
            held.Dispose();   // another pass was first, or there is nothing left to watch
            return;
        }

        if (_program is not null || _events.WatchesProcesses)
        {
            held.TellWhenItEnds();
        }

        NoteMove();
    }

    /// <summary>Tells that it is not as it was.</summary>
    private void NoteMove()
    {
        int isUnwatched = !IsOver && Watched.NeedsLook ? 1 : 0;
        _events.Moved(this, isUnwatched - Interlocked.Exchange(ref _isUnwatched, isUnwatched));
    }

    /// <summary>As <see cref="CheckAlive"/>, for a registration. A process that signs thousands of
    /// owners in is not looked at for each (14 µs): one that was alive less than
    /// <see cref="RegisterLookMs"/> ago is believed to live, which is as long as any death may go
    /// unseen.</summary>
    public bool CheckAliveToRegister(long now)
    {
        if (now - Volatile.Read(ref _lookedToRegisterAt) < RegisterLookMs)
        {
            return !IsOver;
        }

        Volatile.Write(ref _lookedToRegisterAt, now);   // before the look: the age of what is seen is never taken for less than it is
        return CheckAlive();
    }

    /// <summary>The connection is gone. Returns at once, and a second call does nothing.</summary>
    public void Disconnect()
    {
        if (!TryBreakOff())
        {
            // Somebody's call may have found its process dead, and ends no more than stands in its
            // own way.
            if (IsOver && Volatile.Read(ref _isLeft) != 0)
            {
                TellOver();
            }

            return;
        }

        if (IsHidden)
        {
            _events.Hidden(this);
        }

        WaitOutGrace();
    }

    private bool TryBreakOff()
    {
        if (!IsConnected)
        {
            return false;
        }

        Volatile.Write(ref _disconnectedAt, _events.Clock.NowMs);   // published by the move
        return MoveTo(Watched.CanBeSeen ? HolderState.Grace : HolderState.Hidden);
    }

    private void TellOver()
    {
        Volatile.Write(ref _isLeft, 0);
        _events.Over();
    }

    private void WaitOutGrace()
    {
        if (LookAfterDisconnect())
        {
            try
            {
                // Armed after it is stored: its own callback arms it again.
                _timer = _events.Clock.Provider.CreateTimer(static state => ((SessionHolder)state!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                _timer.Change(NextLook(), Timeout.InfiniteTimeSpan);
            }
            catch (Exception exception)
            {
                _events.Failed(exception);   // the host's clock failed; the passes end what this timer would have ended
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
            _events.Failed(exception);   // as above
        }
    }

    /// <summary>False when there is nothing left to wait for.</summary>
    private bool LookAfterDisconnect()
    {
        if (!CheckAlive() || EndIfLate(_events.Clock.NowMs))
        {
            TellOver();
            return false;
        }

        return true;
    }

    /// <summary>Ends the session when nobody came back within the grace.</summary>
    private bool EndIfLate(long now) =>
        (State == HolderState.Grace || IsHidden)
        && now - Volatile.Read(ref _disconnectedAt) >= (long)_events.Grace.TotalMilliseconds
        && MoveTo(HolderState.Over);

    private TimeSpan NextLook()
    {
        long grace = (long)_events.Grace.TotalMilliseconds;
        long at = _look < s_looksMs.Length ? Math.Min(s_looksMs[_look++], grace) : grace;
        return TimeSpan.FromMilliseconds(Math.Max(0, _disconnectedAt + at - _events.Clock.NowMs));
    }

    private bool MoveTo(HolderState state)
    {
        if (!TryMoveTo(state))
        {
            return false;
        }

        NoteMove();
        if (state >= HolderState.Over)
        {
            Watched.Dispose();
            Volatile.Read(ref _ended)?.TrySetResult();
        }

        return true;
    }
}
