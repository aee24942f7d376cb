using System.Collections.Concurrent;
using System.Net.Sockets;

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
/// Each placeholder has a lock, held around system calls that do not block. The table of them has
/// the locks of its dictionary. Nothing of it is on the path of a lookup.
/// </para>
/// </remarks>
internal sealed class SocketGuard(int maxGuards) : IPortGuard
{
    private readonly ConcurrentDictionary<int, Placeholder> _held = new();
    private int _count;
    private int _isDisposed;

    public int Count => Volatile.Read(ref _count);

    public string? WhyUnavailable()
    {
        if (maxGuards == 0)
        {
            return "no port may be guarded (MaxGuards)";
        }

        SocketError error = BoundSocket.TryMake(PortProtocol.Tcp, port: 0, isStrict: true, out BoundSocket? socket);
        using (socket)
        {
            if (socket is null)
            {
                return $"a placeholder cannot be bound: {BindError.Explain(error, port: 0)}";
            }

            try
            {
                socket.SetReuseAddress(true);
                socket.SetReuseAddress(false);
                return null;
            }
            catch (SocketException exception)
            {
                return $"its gate cannot be opened: {exception.SocketErrorCode}";
            }
        }
    }

    public GuardOutcome Place(in GuardedPort lease, PortGuardMode mode, bool insisted)
    {
        if (Find(lease) is { } left && TryPassOn(left, lease, mode) is { } passedOn)
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

        if (isShared)
        {
            socket.SetReuseAddress(false);
        }

        Placeholder made = new(socket, isShared, lease, mode);
        if (mode == PortGuardMode.PassSocket && !made.TryListen())
        {
            socket.Dispose();
            Interlocked.Decrement(ref _count);
            return new GuardOutcome(GuardFinding.InUse, PortGuarantee.ProbedOnly);
        }

        return outcome with { Guarantee = Hold(made) };
    }

    public bool Open(in GuardedPort lease)
    {
        if (Find(lease) is not { } held)
        {
            return false;
        }

        lock (held)
        {
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
    }

    public void HandOver(in GuardedPort registration, int processId)
    {
        if (Find(registration) is not { } held)
        {
            return;
        }

        lock (held)
        {
            bool isIts = held.Epoch == registration.Epoch;
            if (held.IsGone || (held.KeptSince >= 0 ? isIts : !isIts))
            {
                return;   // it has ended again already, or another owner of the same process shares the port
            }

            if (!isIts || !held.Stays)
            {
                Remove(held);
                return;
            }

            if (held.IsOpen)
            {
                Behind behind = BehindTheGate.Look(registration.Port, processId);
                if (behind == Behind.Anybody)
                {
                    Remove(held);   // it would keep nobody out, and Exclusive would be a lie
                    return;
                }

                held.IsJoined = behind == Behind.Others;
            }

            held.Claim = registration;
            held.IsOpen = false;
            registration.Claim.Guarantee = held.Guarantee;
        }
    }

    public Socket? Passed(in GuardedPort claim) =>
        Find(claim) is { IsGone: false } held && held.Epoch == claim.Epoch ? held.Passed : null;

    public bool KeepsOut(PortProtocol protocol, int port, long epoch, out bool isPassed)
    {
        if (Count == 0 || !_held.TryGetValue(Key(protocol, port), out Placeholder? held)
            || held.IsGone || held.IsOpen || held.Epoch == epoch)
        {
            isPassed = false;
            return false;
        }

        isPassed = held.Listens;
        return true;
    }

    public void Drop(in GuardedPort claim, bool keep, long now)
    {
        if (Find(claim) is not { } held)
        {
            return;
        }

        lock (held)
        {
            if (held.IsGone || held.Epoch != claim.Epoch)
            {
                return;
            }

            if (keep && held.Stays && !claim.IsLease)
            {
                held.IsOpen = false;
                held.KeptSince = now;
            }
            else
            {
                Remove(held);
            }
        }
    }

    public bool IsTaken(PortProtocol protocol, int port)
    {
        if (Count != 0 && _held.ContainsKey(Key(protocol, port)))
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

        foreach ((int _, Placeholder held) in _held)   // without a copy, other than of its Values
        {
            lock (held)
            {
                if (!held.IsGone && held.KeptSince >= 0 && held.KeptSince <= since)
                {
                    Remove(held);
                }
            }
        }
    }

    public void Dispose()
    {
        Interlocked.Exchange(ref _isDisposed, 1);   // before the look: who adds one later sees it
        foreach (Placeholder held in _held.Values)
        {
            lock (held)
            {
                // What will still be true.
                held.Claim.Claim.Guarantee =
                    held.Claim.IsLease ? PortGuarantee.ProbedOnly : PortGuarantee.HeldByProcess;
                Remove(held);
            }
        }
    }

    private static int Key(PortProtocol protocol, int port) => ((int)protocol << 16) | port;

    private Placeholder? Find(in GuardedPort claim) =>
        Count != 0 && _held.TryGetValue(Key(claim.Protocol, claim.Port), out Placeholder? held) ? held : null;

    /// <summary>What an earlier claim left on the port becomes the new one's.</summary>
    /// <remarks>There is no moment in between in which a stranger could take it.</remarks>
    private GuardOutcome? TryPassOn(Placeholder held, in GuardedPort lease, PortGuardMode mode)
    {
        lock (held)
        {
            if (held.IsGone)
            {
                return null;
            }

            // One that is open still was left by a lease that ended unregistered: who came in there
            // is not known, so it is bound anew. One that listens is of no use to a program that
            // wants to, and the other way round.
            if (mode == PortGuardMode.None || held.IsOpen || (held.Passed is not null) != (mode == PortGuardMode.PassSocket))
            {
                Remove(held);
                return null;
            }

            // Who came in by the gate while it was open, a child of the dead process say, may
            // listen there still.
            if (held.WasOpen && Listens(lease))
            {
                Remove(held);
                return new GuardOutcome(GuardFinding.InUse, PortGuarantee.ProbedOnly);
            }

            held.PassTo(lease, mode);
            return new GuardOutcome(GuardFinding.Free, held.Guarantee);
        }
    }

    private static bool Listens(in GuardedPort claim) =>
        PortSockets.Listening(claim.Protocol, claim.Port) is { } listeners
            ? listeners.Count != 0
            : ListenTable.Read(claim.Protocol).Listens(claim.Port);

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
        _held[Key(held.Claim.Protocol, held.Claim.Port)] = held;
        Interlocked.MemoryBarrier();   // pairs with the exchange in Dispose: one of the two sees the other
        if (Volatile.Read(ref _isDisposed) == 0)
        {
            return guarantee;
        }

        lock (held)
        {
            Remove(held);
        }

        return PortGuarantee.ProbedOnly;
    }

    private void Remove(Placeholder held)
    {
        if (!held.IsGone)
        {
            int key = Key(held.Claim.Protocol, held.Claim.Port);
            _held.TryRemove(new KeyValuePair<int, Placeholder>(key, held));
            held.Close();
            Interlocked.Decrement(ref _count);
        }
    }
}
