using Portmap.Table;

namespace Portmap;

// What a lease is now: the claim of its (first) protocol, the claim of the second one, and how it came out.
public sealed partial class PortLease
{
    private PortClaim? _claim;
    private PortClaim? _twin;
    private long _grantedAt;
    private object? _outcome;                          // null: open; PortClaim: registered; PortRefusal: ended
    private TaskCompletionSource<PortEntry>? _whenBound;
    private List<int>? _triedPorts;

    /// <summary>Completes with the entry when a process has registered (of both protocols, if both were asked for).</summary>
    /// <value>Faults with a <see cref="PortRefusedException"/> when the lease ends before that: Taken, with the winner; LeaseEnded for a timeout or a
    /// release; AttemptsExhausted.</value>
    public Task<PortEntry> WhenBound
    {
        get
        {
            TaskCompletionSource<PortEntry>? source = Volatile.Read(ref _whenBound);
            if (source is null)
            {
                source = new TaskCompletionSource<PortEntry>(TaskCreationOptions.RunContinuationsAsynchronously);
                source = Interlocked.CompareExchange(ref _whenBound, source, null) ?? source;   // pairs with the read in Complete: one of us sees the other
            }

            if (Volatile.Read(ref _outcome) is { } outcome)
            {
                Complete(source, outcome);
            }

            return source.Task;
        }
    }

    internal PortClaim Claim => Volatile.Read(ref _claim)!;

    internal PortClaim? Twin => Volatile.Read(ref _twin);

    /// <summary>The ports that could not be bound, in order. Changed only by the one thread that holds the right to replace the claim.</summary>
    internal IReadOnlyList<int> TriedPorts => Volatile.Read(ref _triedPorts) ?? (IReadOnlyList<int>)[];

    internal void AddTried(int port)
    {
        // A fresh list each time: readers of the old one see it unchanged.
        List<int> tried = [.. TriedPorts, port];
        Volatile.Write(ref _triedPorts, tried);
    }

    /// <summary>Called before the claims are published; they are what <see cref="Port"/> and <see cref="Epoch"/> say from now on.</summary>
    internal void Grant(PortClaim claim, PortClaim? twin, long now)
    {
        Volatile.Write(ref _grantedAt, now);
        Volatile.Write(ref _twin, twin);
        Volatile.Write(ref _claim, claim);
    }

    /// <summary>Called once per protocol by the thread whose CAS made a registration of this lease take effect.</summary>
    internal void OnRegistered(PortClaim registration)
    {
        if (Twin is { } twin && twin.Protocol == registration.Protocol)
        {
            Volatile.Write(ref _twin, registration);
        }
        else
        {
            Volatile.Write(ref _claim, registration);
        }

        if (!Claim.IsLease && Twin is not { IsLease: true })
        {
            SetOutcome(Claim);
        }
    }

    /// <summary>Called by the thread whose CAS ended a claim of this lease.</summary>
    internal void OnEnded(PortClaim claim, ClaimEnd cause, PortClaim? winner)
    {
        if (!claim.IsLease || cause is ClaimEnd.BindFailed or ClaimEnd.Withdrawn || !(ReferenceEquals(claim, Claim) || ReferenceEquals(claim, Twin)))
        {
            return;
        }

        SetOutcome(Refusals.LeaseEnded(this, claim, cause, winner));
        _registry.ReleaseTwin(this, claim, cause);
    }

    internal void SetOutcome(object outcome)
    {
        if (Interlocked.CompareExchange(ref _outcome, outcome, null) is null && Volatile.Read(ref _whenBound) is { } source)
        {
            Complete(source, outcome);
        }
    }

    internal bool IsOpen => Volatile.Read(ref _outcome) is null;

    private void Complete(TaskCompletionSource<PortEntry> source, object outcome)
    {
        if (outcome is PortClaim claim)
        {
            source.TrySetResult(_registry.EntryOf(claim));
        }
        else if (source.TrySetException(new PortRefusedException((PortRefusal)outcome)))
        {
            _ = source.Task.Exception;   // nobody has to await it
        }
    }
}
