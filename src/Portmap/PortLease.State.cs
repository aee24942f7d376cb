using Portmap.Diagnostics;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap;

// What a lease is now, in two words that are read and written by any thread:
//
//   _claim   the claim of its (first) protocol: the open lease, or the registration that used it up
//   _state   null ──► TaskCompletionSource (somebody asked for WhenBound; completed once, with the outcome)
//              └────► PortClaim (registered, or the lease claim that ended) or PortRefusal ──► TaskCompletionSource, completed, once somebody asks
//
// I1. There is one outcome: the first one, by the CAS from null, by the completion of the source,
// or by the word of the claim (Over). WhenBound is one task from its first read on. I2. A release
// or an expiry of a lease for one protocol is told by the word of its claim alone, and _state stays
// null: that saves each of them a CAS. Its thread writes the word and then looks for a source; who
// asks puts the source there and then looks at the word. Both writes are full fences, so one of the
// two sees the other. Kept small on purpose: an acquisition may cost 200 bytes beyond the name, so
// what few leases need lies in _more.
public sealed partial class PortLease : ILease
{
    private PortClaim? _claim;
    private object? _state;
    private LeaseExtras? _more;

    /// <summary>
    /// Completes with the entry when a process has registered (of both protocols, if both were
    /// asked for).
    /// </summary>
    /// <value>
    /// Faults with a <see cref="PortRefusedException"/> when the lease ends before that: Taken,
    /// with the winner; LeaseEnded for a timeout or a release; AttemptsExhausted.
    /// </value>
    public Task<PortEntry> WhenBound
    {
        get
        {
            object? state = Volatile.Read(ref _state);
            while (state is not TaskCompletionSource<PortEntry>)
            {
                TaskCompletionSource<PortEntry> made = new(TaskCreationOptions.RunContinuationsAsynchronously);
                if (state is not null)
                {
                    Complete(made, state);
                }

                Hook.At(Step.AskOutcome);
                object? seen = Interlocked.CompareExchange(ref _state, made, state);   // publishes the source to whoever brings the outcome
                if (seen is null && Over() is { } over)
                {
                    Complete(made, over);   // I2
                }

                state = ReferenceEquals(seen, state) ? made : seen;
            }

            return ((TaskCompletionSource<PortEntry>)state).Task;
        }
    }

    /// <summary>
    /// Is cancelled when the lease ends before a process has registered, which is when
    /// <see cref="WhenBound"/> faults: for a host that stops the program then.
    /// </summary>
    /// <value>
    /// So it is when the lease has timed out, was released by whoever may, was lost to another
    /// owner's process that listens on its port, could not be bound
    /// <see cref="PortRegistryOptions.BindAttempts"/> times, or when the registry is disposed. A
    /// lease that a process has used up never cancels it, also when that process ends. Costs
    /// nothing until it is asked for; what is registered with it runs on the thread pool.
    /// </value>
    public CancellationToken Ended => LeaseExtras.EndToken(ref _more, WhenBound);

    internal PortClaim Claim => Volatile.Read(ref _claim)!;

    /// <summary>Its way to its process, where somebody follows it.</summary>
    internal LeaseTrace? Trace => Volatile.Read(ref _more)?.Trace;

    /// <summary>The claim of the second protocol, or null.</summary>
    internal PortClaim? Twin => Volatile.Read(ref _more)?.Twin;

    internal bool IsOpen =>
        Volatile.Read(ref _state) is null or TaskCompletionSource<PortEntry> { Task.IsCompleted: false } && Over() is null;

    /// <summary>
    /// Called before the claims are published; they are what <see cref="Port"/> and
    /// <see cref="Epoch"/> say from now on.
    /// </summary>
    internal void Grant(PortClaim claim, PortClaim? twin)
    {
        Trace?.Granted(claim.Port, claim.Epoch, _registry.Parts.Strategies.NameOf(claim.Strategy));
        LeaseExtras.SetTwin(ref _more, twin);
        Hook.At(Step.GrantLease);
        Volatile.Write(ref _claim, claim);
    }

    internal void SetOutcome(object outcome)
    {
        outcome = Over() ?? outcome;
        Hook.At(Step.SetOutcome);
        object? state = Interlocked.CompareExchange(ref _state, outcome, null);   // I1
        if (state is TaskCompletionSource<PortEntry> source)
        {
            Complete(source, outcome);   // the first one counts
        }

        EndTrace(outcome);
    }

    /// <summary>It was never granted.</summary>
    internal PortLease? Refused(PortRefusal refusal)
    {
        EndTrace(refusal);
        return null;
    }

    PortClaim ILease.Claim => Claim;
    PortClaim? ILease.Twin => Twin;
    ref LeaseExtras? ILease.Extras => ref _more;
    bool ILease.IsOpen => IsOpen;
    PortRequest ILease.Request => Request;
    void ILease.Grant(PortClaim claim, PortClaim? twin) => Grant(claim, twin);

    void ILease.OnHealed(PortClaim failed, PortClaim claim)
    {
        Trace?.Healed(failed.Port, claim.Port);
        if (ReferenceEquals(Twin, failed))
        {
            LeaseExtras.SetTwin(ref _more, claim);
        }
        else
        {
            Hook.At(Step.HealLease);
            Interlocked.CompareExchange(ref _claim, claim, failed);   // a registration of the new claim may have been faster
        }
    }

    void ILease.OnRegistered(PortClaim registration)
    {
        if (Twin is { } twin && twin.Protocol == registration.Protocol)
        {
            LeaseExtras.SetTwin(ref _more, registration);
        }
        else
        {
            Hook.At(Step.RegisterLease);
            Volatile.Write(ref _claim, registration);
        }

        if (!Claim.IsLease && Twin is not { IsLease: true })
        {
            SetOutcome(Claim);
        }
    }

    void ILease.SetOutcome(PortRefusal refusal) => SetOutcome(refusal);
    void ILease.SetOutcome(PortClaim ended) => OnEnded(ended);

    /// <summary>The claim of a lease that was released or has expired, where its word is all that
    /// tells so.</summary>
    private PortClaim? Over()
    {
        ClaimView claim = new(Volatile.Read(ref _claim));
        return claim is { IsLease: true, Stage: ClaimStage.Ended, Cause: ClaimEnd.Released or ClaimEnd.Expired } && Twin is null
            ? claim.Claim
            : null;
    }

    private void OnEnded(PortClaim ended)
    {
        if (!ReferenceEquals(Over(), ended))
        {
            SetOutcome(ended);
            return;
        }

        Hook.At(Step.SetOutcome);
        if (Volatile.Read(ref _state) is TaskCompletionSource<PortEntry> source)
        {
            Complete(source, ended);   // I2
        }

        EndTrace(ended);
    }

    private void EndTrace(object outcome)
    {
        if (Trace is not { } trace)
        {
            return;
        }

        if (outcome is PortClaim { IsLease: false } registered)
        {
            trace.Bound(registered.Port, SessionHolder.Of(new ClaimView(registered))?.ProcessId);
        }
        else
        {
            trace.Ended(outcome is PortRefusal refusal ? refusal.Reason.ToString() : new ClaimView((PortClaim)outcome).Cause.ToString());
        }
    }

    private void Complete(TaskCompletionSource<PortEntry> source, object outcome)
    {
        if (outcome is PortClaim { IsLease: false } registered)
        {
            source.TrySetResult(_registry.EntryOf(new ClaimView(registered)));
            return;
        }

        PortRefusal refusal = outcome as PortRefusal ?? Refusals.LeaseEnded(this, new ClaimView((PortClaim)outcome));
        if (source.TrySetException(new PortRefusedException(refusal)))
        {
            _ = source.Task.Exception;   // nobody has to await it
        }
    }
}
