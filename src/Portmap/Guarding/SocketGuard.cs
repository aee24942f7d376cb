using System.Collections.Concurrent;
using System.Net.Sockets;
using Portmap.Table;

namespace Portmap.Guarding;

/// <summary>Holds ports by placeholders: sockets that are bound and never listen.</summary>
/// <remarks>
/// <code>
///              strict bind             SO_REUSEADDR = 1           SO_REUSEADDR = 0
///   (nothing) ─────────────► closed ─────────────────────► open ────────────────────► closed, while the process serves ─► kept after its death
///                               └──── ends: gone             ├── UDP, StepAside: gone     └── UntilRegistered: gone           └── gone
/// </code>
/// While it is closed the kernel refuses every bind of the port and every listen of a socket that was bound while it was open. While it is open a process
/// whose socket has SO_REUSEADDR can bind and listen. Linux only.
/// <para>Each placeholder has a lock, held around system calls that do not block; the table has the locks of its dictionary. Nothing of it is on the path of a lookup.</para>
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

        SocketError error = BoundSocket.TryMake(PortProtocol.Tcp, port: 0, isStrict: true, out Socket? socket);
        using (socket)
        {
            if (socket is null)
            {
                return $"a placeholder cannot be bound: {BindError.Explain(error, port: 0)}";
            }

            try
            {
                BoundSocket.SetReuse(socket, true);
                BoundSocket.SetReuse(socket, false);
                return null;
            }
            catch (SocketException exception)
            {
                return $"its gate cannot be opened: {exception.SocketErrorCode}";
            }
        }
    }

    public GuardOutcome Place(PortClaim claim, PortGuardMode mode, bool insisted)
    {
        if (Find(claim) is { } left && TryPassOn(left, claim, mode) is { } passedOn)
        {
            return passedOn;
        }

        GuardOutcome outcome = ProbingGuard.Ask(claim.Protocol, claim.Port, out Socket? socket, out bool isShared);
        if (isShared && insisted && !ListenTable.HasConnections(claim.Port))
        {
            // No connection lingers, so the bind went through the open gate of another daemon, or joined some other bound, silent socket.
            socket!.Dispose();
            return new GuardOutcome(GuardFinding.InUse, PortGuarantee.ProbedOnly);
        }

        if (socket is not null && (isShared && !insisted || mode == PortGuardMode.None || !TryHold(socket, isShared, claim, mode, ref outcome)))
        {
            socket.Dispose();
        }

        return outcome;
    }

    public bool Open(PortClaim lease)
    {
        if (Find(lease) is not { } held)
        {
            return false;
        }

        lock (held)
        {
            if (held.IsGone || !ReferenceEquals(held.Claim, lease))
            {
                return false;   // a process has registered meanwhile, or the lease has ended
            }

            PortGuarantee before = lease.Guarantee;
            // Said before it is so: at no time more than is true.
            if (lease.Protocol == PortProtocol.Udp || held.Mode == PortGuardMode.StepAside)
            {
                lease.Guarantee = PortGuarantee.ProbedOnly;
                Remove(held);
            }
            else
            {
                lease.Guarantee = PortGuarantee.Admitting;
                held.IsOpen = true;
            }

            return lease.Guarantee != before;
        }
    }

    public void HandOver(PortClaim registration)
    {
        if (Find(registration) is not { } held)
        {
            return;
        }

        lock (held)
        {
            bool isIts = held.Claim.Epoch == registration.Epoch;
            if (held.IsGone || (held.KeptSince >= 0 ? isIts : !isIts))
            {
                return;   // it has ended again already, or another owner of the same process shares the port
            }

            if (!isIts || held.Mode != PortGuardMode.WhileAlive)
            {
                Remove(held);
                return;
            }

            if (held.IsOpen)
            {
                Behind behind = BehindTheGate.Look(registration.Port, registration.Session?.ProcessId ?? 0);
                if (behind == Behind.Anybody)
                {
                    Remove(held);   // it would keep nobody out, and Exclusive would be a lie
                    return;
                }

                held.IsJoined = behind == Behind.Others;
            }

            held.Claim = registration;
            held.IsOpen = false;
            registration.Guarantee = held.Guarantee;
        }
    }

    public bool KeepsOut(PortProtocol protocol, int port, long epoch) =>
        Count != 0 && _held.TryGetValue(Key(protocol, port), out Placeholder? held) && !held.IsGone && !held.IsOpen && held.Claim.Epoch != epoch;

    public void Drop(PortClaim claim, bool keep, long now)
    {
        if (Find(claim) is not { } held)
        {
            return;
        }

        lock (held)
        {
            if (held.IsGone || held.Claim.Epoch != claim.Epoch)
            {
                return;
            }

            if (keep && held.Mode == PortGuardMode.WhileAlive && !claim.IsLease)
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

        GuardOutcome outcome = ProbingGuard.Ask(protocol, port, out Socket? socket, out _);
        socket?.Dispose();
        return outcome.Finding == GuardFinding.InUse;
    }

    public void DropKept(long since)
    {
        foreach (Placeholder held in _held.Values)
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
                held.Claim.Guarantee = held.Claim.IsLease ? PortGuarantee.ProbedOnly : PortGuarantee.HeldByProcess;   // what will still be true
                Remove(held);
            }
        }
    }

    private static int Key(PortClaim claim) => Key(claim.Protocol, claim.Port);

    private static int Key(PortProtocol protocol, int port) => ((int)protocol << 16) | port;

    private Placeholder? Find(PortClaim claim) => Count != 0 && _held.TryGetValue(Key(claim), out Placeholder? held) ? held : null;

    /// <summary>What an earlier claim left on the port becomes the new one's, with no moment in between in which a stranger could take it.</summary>
    private GuardOutcome? TryPassOn(Placeholder held, PortClaim claim, PortGuardMode mode)
    {
        lock (held)
        {
            if (held.IsGone)
            {
                return null;
            }

            // One that is open still was left by a lease that ended unregistered: who came in there is not known, so it is bound anew.
            if (mode == PortGuardMode.None || held.IsOpen)
            {
                Remove(held);
                return null;
            }

            // Who came in by the gate while it was open, a child of the dead process say, may listen there still.
            if (held.WasOpen && Listens(claim))
            {
                Remove(held);
                return new GuardOutcome(GuardFinding.InUse, PortGuarantee.ProbedOnly);
            }

            held.PassTo(claim, mode);
            return new GuardOutcome(GuardFinding.Free, held.Guarantee);
        }
    }

    private static bool Listens(PortClaim claim) => PortSockets.Listening(claim.Protocol, claim.Port) is { } listeners
        ? listeners.Count != 0
        : ListenTable.Read(claim.Protocol).Listens(claim.Port);

    private bool TryHold(Socket socket, bool isShared, PortClaim claim, PortGuardMode mode, ref GuardOutcome outcome)
    {
        if (Interlocked.Increment(ref _count) > maxGuards)
        {
            Interlocked.Decrement(ref _count);
            return false;
        }

        if (isShared)
        {
            BoundSocket.SetReuse(socket, false);
        }

        Placeholder held = new(socket, isShared, claim, mode);
        outcome = outcome with { Guarantee = held.Guarantee };
        _held[Key(claim)] = held;
        Interlocked.MemoryBarrier();   // pairs with the exchange in Dispose: one of the two sees the other
        if (Volatile.Read(ref _isDisposed) != 0)
        {
            outcome = outcome with { Guarantee = PortGuarantee.ProbedOnly };
            lock (held)
            {
                Remove(held);
            }
        }

        return true;
    }

    private void Remove(Placeholder held)
    {
        if (!held.IsGone)
        {
            _held.TryRemove(new KeyValuePair<int, Placeholder>(Key(held.Claim), held));
            held.Close();
            Interlocked.Decrement(ref _count);
        }
    }
}
