using System.Net.Sockets;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>Holds ports by placeholders: sockets that are bound and never listen.</summary>
/// <remarks>
/// <code>
///   (nothing)          ── strict bind ───────► closed
///   closed             ── SO_REUSEADDR = 1 ──► open                (UDP, StepAside: gone)
///   open               ── SO_REUSEADDR = 0 ──► closed, it serves   (UntilRegistered: gone)
///   closed, it serves  ── its process dies ──► kept, until the owner returns or the delay is over
///   any                ── the claim ends ────► gone
///
///   PassSocket: it listens from the bind on, knows no gate, and goes by the last two lines alone
/// </code>
/// While it is closed the kernel refuses every bind of the port, and every listen of a socket that
/// was bound while it was open. While it is open a process whose socket has SO_REUSEADDR can bind
/// and listen. Linux only.
/// <para>
/// Nothing of it takes a lock, and nothing of it is on the path of a lookup. One thread is at a
/// placeholder at a time; what others want of it meanwhile they leave to it (<see cref="Errands"/>)
/// and go on, so a thread that is suspended there, before a system call say, stops nobody. Two need
/// an answer: <see cref="Place"/> leaves that port alone then, and <see cref="Open"/>, by the thread
/// that is about to start the program, waits as long as its lease is open.
/// </para>
/// </remarks>
internal sealed class SocketGuard(int maxGuards) : IPortGuard
{
    private readonly Placeholders _held = new();
    private int _count;
    private int _isDisposed;

    public int Count => Volatile.Read(ref _count);

    public string? WhyUnavailable() =>
        maxGuards == 0 ? "no port may be guarded (MaxGuards)" : BoundSocket.WhyNoPlaceholder();

    public GuardOutcome Place(in GuardedPort lease, string owner, PortGuardMode mode, bool insisted)
    {
        if (Find(lease) is { } left && TryPassOn(left, lease, owner, mode) is { } passedOn)
        {
            return passedOn;
        }

        GuardOutcome outcome = ProbingGuard.Ask(lease.Protocol, lease.Port, out BoundSocket? socket, out bool isShared);
        if (socket is null)
        {
            return outcome;
        }

        if (isShared && insisted && !ListenTable.HasConnections(lease.Port))
        {
            // No connection lingers, so the bind went through the open gate of another daemon, or
            // joined some other bound, silent socket.
            socket.Dispose();
            return new GuardOutcome(GuardFinding.InUse, PortGuarantee.ProbedOnly);
        }

        if (mode == PortGuardMode.None || (isShared && !insisted) || !TryCount())
        {
            socket.Dispose();
            return outcome;
        }

        if (isShared && mode != PortGuardMode.PassSocket)
        {
            socket.SetReuseAddress(false);   // but with it alone may one listen over lingering connections
        }

        Placeholder made = new(socket, isShared, lease, mode);
        if (mode == PortGuardMode.PassSocket && made.TryListen() is not SocketError.Success and SocketError why)
        {
            socket.Dispose();
            Interlocked.Decrement(ref _count);
            return new GuardOutcome(ProbingGuard.Unheard(why), PortGuarantee.ProbedOnly);
        }

        return outcome with { Guarantee = Hold(made) };
    }

    public bool Open(in GuardedPort lease)
    {
        if (Find(lease) is not { } held)
        {
            return false;
        }

        Patience patience = default;
        while (!held.Errands.TryBegin())
        {
            // A registration takes it over just now, or it is being dropped; else somebody opens
            // the same gate, and the program must not be started before it is open.
            if (lease.Claim.IsOver)
            {
                return false;
            }

            patience.Wait();
        }

        try
        {
            return OpenHere(held, lease);
        }
        finally
        {
            Leave(held);
        }
    }

    public void HandOver(in GuardedPort registration, int processId)
    {
        if (Find(registration) is { } held)
        {
            See(held, new Errand(ErrandKind.HandOver, registration, processId));
        }
    }

    public Socket? Passed(in GuardedPort claim) =>
        Find(claim) is { IsGone: false } held && held.Epoch == claim.Epoch ? held.Passed : null;

    public bool KeepsOut(PortProtocol protocol, int port, long epoch, out bool isPassed)
    {
        if (Count == 0 || _held[protocol, port] is not { } held || held.IsGone || held.IsOpen || held.Epoch == epoch)
        {
            isPassed = false;
            return false;
        }

        isPassed = held.Listens;
        return true;
    }

    public void Drop(in GuardedPort claim, bool keep, long now)
    {
        if (Find(claim) is { } held)
        {
            See(held, new Errand(keep ? ErrandKind.Keep : ErrandKind.Drop, claim, now));
        }
    }

    public void GiveBack(in GuardedPort lease)
    {
        if (Find(lease) is { } held)
        {
            See(held, new Errand(ErrandKind.GiveBack, lease, 0));
        }
    }

    public bool IsTaken(PortProtocol protocol, int port)
    {
        if (Count != 0 && _held[protocol, port] is not null)
        {
            return false;   // it is kept for its owner's return
        }

        return ProbingGuard.IsInUse(protocol, port);
    }

    public void DropKept(long since)
    {
        if (Count == 0)
        {
            return;
        }

        foreach (Placeholder held in _held.All())
        {
            if (held.KeptSince >= 0)
            {
                See(held, new Errand(ErrandKind.DropKept, default, since));
            }
        }
    }

    public void Dispose()
    {
        Interlocked.Exchange(ref _isDisposed, 1);   // before the look: who adds one later sees it
        foreach (Placeholder held in _held.All())
        {
            See(held, new Errand(ErrandKind.Close, default, 0));
        }
    }

    private Placeholder? Find(in GuardedPort claim) =>
        Count != 0 ? _held[claim.Protocol, claim.Port] : null;

    /// <summary>What an earlier claim left on the port becomes the new one's.</summary>
    /// <remarks>There is no moment in between in which a stranger could take it.</remarks>
    private GuardOutcome? TryPassOn(Placeholder held, in GuardedPort lease, string owner, PortGuardMode mode)
    {
        Patience patience = default;
        while (!held.Errands.TryBegin())
        {
            if (!patience.TryWait())
            {
                return new GuardOutcome(GuardFinding.Busy, PortGuarantee.ProbedOnly);
            }
        }

        try
        {
            return PassOnHere(held, lease, owner, mode);
        }
        finally
        {
            Leave(held);
        }
    }

    /// <summary>Sees to it that an errand is done: here, or by who is at the placeholder
    /// already.</summary>
    private void See(Placeholder held, in Errand errand)
    {
        if (held.Errands.TryBeginOrLeave(errand))
        {
            try
            {
                Do(held, errand);
            }
            finally
            {
                Leave(held);
            }
        }
    }

    /// <summary>Goes away from a placeholder, when what others left there is done.</summary>
    private void Leave(Placeholder held)
    {
        while (held.Errands.TryLeave() is { } left)
        {
            for (Errands.Left? next = left; next is not null; next = next.Next)
            {
                Do(held, next.Errand);
            }
        }
    }

    // The members below are called by who is at the placeholder.
    private void Do(Placeholder held, in Errand errand)
    {
        Hook.At(Step.DoErrand);
        if (held.IsGone)
        {
            return;
        }

        switch (errand.Kind)
        {
            case ErrandKind.HandOver:
                HandOverHere(held, errand.Claim, (int)errand.Number);
                break;
            case ErrandKind.Drop or ErrandKind.Keep:
                DropHere(held, errand.Claim, keep: errand.Kind == ErrandKind.Keep, now: errand.Number);
                break;
            case ErrandKind.GiveBack:
                GiveBackHere(held, errand.Claim);
                break;
            case ErrandKind.DropKept:
                DropKeptHere(held, since: errand.Number);
                break;
            default:
                // What will still be true.
                held.Claim.Claim.Guarantee =
                    held.Claim.IsLease ? PortGuarantee.ProbedOnly : PortGuarantee.HeldByProcess;
                Remove(held);
                break;
        }
    }

    private bool OpenHere(Placeholder held, in GuardedPort lease)
    {
        Hook.At(Step.DoErrand);
        if (held.IsGone || !ReferenceEquals(held.Claim.Claim, lease.Claim) || held.Passed is not null)
        {
            return false;   // a process has registered meanwhile, or the lease has ended; or there is no gate
        }

        PortGuarantee before = lease.Claim.Guarantee;
        bool stepsAside = lease.Protocol == PortProtocol.Udp || held.Mode == PortGuardMode.StepAside;
        PortGuarantee after = stepsAside ? PortGuarantee.ProbedOnly : PortGuarantee.Admitting;
        lease.Claim.Guarantee = after;   // said before it is so: at no time more than is true
        if (stepsAside)
        {
            Remove(held);
        }
        else
        {
            held.IsOpen = true;
        }

        return after != before;
    }

    private void HandOverHere(Placeholder held, in GuardedPort registration, int processId)
    {
        bool isIts = held.Epoch == registration.Epoch;
        if (held.IsGone || (held.KeptSince >= 0 ? registration.Epoch <= held.Epoch : !isIts))
        {
            return;   // it, or a later one, has ended again already; or another owner of the same process shares the port
        }

        // In a network of its own the process has the port there, and ours is nobody's.
        if (!isIts || !held.Stays || (processId > 0 && !held.Listens && ProcessFiles.IsInAnotherNetwork(processId)))
        {
            Remove(held);
            return;
        }

        if (held.IsOpen && !BehindTheGate.TryClose(held, registration.Port, processId))
        {
            Remove(held);   // it would keep nobody out, and Exclusive would be a lie
            return;
        }

        held.Claim = registration;
        registration.Claim.Guarantee = held.Guarantee;
    }

    private void DropHere(Placeholder held, in GuardedPort claim, bool keep, long now)
    {
        if (held.Epoch != claim.Epoch)
        {
            return;
        }

        if (keep && held.Stays && !claim.IsLease)
        {
            held.IsOpen = false;
            held.KeptSince = now;
            _ = held.TryRefit();   // so that nobody is refused meanwhile; what came of it is asked when it is passed on
        }
        else
        {
            if (claim.IsLease)
            {
                claim.Claim.Guarantee = PortGuarantee.ProbedOnly;   // lookups answer it until the lease of another port, by which it goes on, has taken effect
            }

            Remove(held);
        }
    }

    private void GiveBackHere(Placeholder held, in GuardedPort lease)
    {
        // Not when a process has registered by the lease meanwhile: then it is that one's.
        if (ReferenceEquals(held.Claim.Claim, lease.Claim) && !held.TryGiveBack())
        {
            Remove(held);
        }
    }

    private void DropKeptHere(Placeholder held, long since)
    {
        if (held.KeptSince >= 0 && held.KeptSince <= since)
        {
            Remove(held);
        }
    }

    private GuardOutcome? PassOnHere(Placeholder held, in GuardedPort lease, string owner, PortGuardMode mode)
    {
        Hook.At(Step.DoErrand);
        if (held.IsGone)
        {
            return null;
        }

        // One that is open still was left by a lease that ended unregistered: who came in there
        // is not known, so it is bound anew. One that listens is of no use to a program that
        // wants to, and the other way round; and who waits at it waits for the owner it was kept for.
        if (mode == PortGuardMode.None || held.IsOpen || (held.Listens && held.Claim.Claim.Owner != owner) || held.Listens != (mode == PortGuardMode.PassSocket) || !held.TryRefit())
        {
            Remove(held);
            return null;
        }

        // Who came in by the gate while it was open, a child of the dead process say, may
        // listen there still; so may one that has the socket which was passed.
        bool? listens = held.Listens ? SocketHeirs.AreOn(lease.Protocol, lease.Port) : held.WasOpen ? ListenTable.IsListenedOn(lease.Protocol, lease.Port) : false;
        if (listens != false)
        {
            if (listens == true)
            {
                Remove(held);
            }

            return new GuardOutcome(listens == true ? GuardFinding.InUse : GuardFinding.Busy, PortGuarantee.ProbedOnly);   // for want of descriptors it stays
        }

        held.PassTo(lease, mode);
        return new GuardOutcome(GuardFinding.Free, held.Guarantee);
    }

    /// <summary>Counts one placeholder more, unless that would be one too many.</summary>
    private bool TryCount()
    {
        if (Interlocked.Increment(ref _count) <= maxGuards)
        {
            return true;
        }

        Interlocked.Decrement(ref _count);
        return false;
    }

    private PortGuarantee Hold(Placeholder held)
    {
        PortGuarantee guarantee = held.Guarantee;
        _held.Set(held.Claim.Protocol, held.Claim.Port, held);
        Interlocked.MemoryBarrier();   // pairs with the exchange in Dispose: one of the two sees the other
        if (Volatile.Read(ref _isDisposed) == 0)
        {
            return guarantee;
        }

        See(held, new Errand(ErrandKind.Close, default, 0));
        return PortGuarantee.ProbedOnly;
    }

    private void Remove(Placeholder held)
    {
        if (!held.IsGone)
        {
            held.Close();   // before it is forgotten: who finds nothing there finds the port free
            _held.Remove(held.Claim.Protocol, held.Claim.Port, held);
            Interlocked.Decrement(ref _count);
        }
    }
}
