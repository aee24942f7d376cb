using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What came of a lease, for whoever asks; a part of the lease.</summary>
/// <remarks>
/// <code>
///   _state   null ──► TaskCompletionSource (somebody asked; completed once, with the outcome)
///              └────► PortClaim (registered, or the lease claim that ended) or PortRefusal ──► TaskCompletionSource, completed, once somebody asks
/// </code>
/// I1. There is one outcome: the first one, by the CAS from null, by the completion of the source,
/// or by the word of the claim (<see cref="Over"/>). The task is one from its first read on.
/// <para>I2. A release or an expiry of a lease for one protocol is told by the word of its claim
/// alone, and _state stays null: that saves each of them a CAS. Its thread writes the word and then
/// looks for a source; who asks puts the source there and then looks at the word. Both writes are
/// full fences, so one of the two sees the other.</para>
/// Progress: lock-free; a step is repeated only because somebody else's took effect.
/// </remarks>
internal struct LeaseOutcome
{
    private object? _state;

    public readonly bool IsOpen(ILease lease) =>
        Volatile.Read(in _state) is null or TaskCompletionSource<PortEntry> { Task.IsCompleted: false } && Over(lease) is null;

    /// <summary>The task of the outcome.</summary>
    public Task<PortEntry> WhenBound(ILease lease, RegistryParts parts)
    {
        object? state = Volatile.Read(ref _state);
        while (state is not TaskCompletionSource<PortEntry>)
        {
            TaskCompletionSource<PortEntry> made = new(TaskCreationOptions.RunContinuationsAsynchronously);
            if (state is not null)
            {
                Complete(lease, parts, made, state);
            }

            Hook.At(Step.AskOutcome);
            object? seen = Interlocked.CompareExchange(ref _state, made, state);   // publishes the source to whoever brings the outcome
            if (seen is null && Over(lease) is { } over)
            {
                Complete(lease, parts, made, over);   // I2
            }

            state = ReferenceEquals(seen, state) ? made : seen;
        }

        return ((TaskCompletionSource<PortEntry>)state).Task;
    }

    /// <summary>Brings an outcome; the first one counts.</summary>
    public void Set(ILease lease, RegistryParts parts, object outcome)
    {
        outcome = Over(lease) ?? outcome;
        Hook.At(Step.SetOutcome);
        object? state = Interlocked.CompareExchange(ref _state, outcome, null);   // I1
        if (state is TaskCompletionSource<PortEntry> source)
        {
            Complete(lease, parts, source, outcome);
        }

        EndTrace(lease, outcome);
    }

    /// <summary>Brings the end of a lease.</summary>
    public void End(ILease lease, RegistryParts parts, PortClaim ended)
    {
        if (!ReferenceEquals(Over(lease), ended))
        {
            Set(lease, parts, ended);
            return;
        }

        Hook.At(Step.SetOutcome);
        if (Volatile.Read(ref _state) is TaskCompletionSource<PortEntry> source)
        {
            Complete(lease, parts, source, ended);   // I2
        }

        EndTrace(lease, ended);
    }

    /// <summary>Ends a lease that was granted while the registry was disposed, which may not have
    /// seen it.</summary>
    public static void EndIfDisposed(ILease lease, RegistryParts parts)
    {
        if (parts.IsDisposed)
        {
            lease.SetOutcome(Refusals.RegistryDisposed(lease));
        }
    }

    /// <summary>Nothing more comes of a lease.</summary>
    /// <param name="lease">The lease.</param>
    /// <param name="outcome">What came of it: a claim, a refusal, or an exception.</param>
    public static void EndTrace(ILease lease, object outcome)
    {
        if (Volatile.Read(ref lease.Extras)?.Trace is not { } trace)
        {
            return;
        }

        if (outcome is PortClaim { IsLease: false } registered)
        {
            trace.Bound(registered.Port, SessionHolder.Of(new ClaimView(registered))?.ProcessId);
        }
        else
        {
            trace.Ended(outcome switch
            {
                PortRefusal refusal => refusal.Reason.ToString(),
                Exception exception => exception.GetType().Name,
                _ => new ClaimView((PortClaim)outcome).Cause.ToString(),
            });
        }
    }

    /// <summary>The claim of a lease that was released or has expired, where its word is all that
    /// tells so.</summary>
    private static PortClaim? Over(ILease lease)
    {
        ClaimView claim = new(lease.Claim);
        return claim is { IsLease: true, Stage: ClaimStage.Ended, Cause: ClaimEnd.Released or ClaimEnd.Expired } && lease.Twin is null
            ? claim.Claim
            : null;
    }

    private static void Complete(ILease lease, RegistryParts parts, TaskCompletionSource<PortEntry> source, object outcome)
    {
        if (outcome is PortClaim { IsLease: false } registered)
        {
            source.TrySetResult(parts.Entries.Of(new ClaimView(registered)));
            return;
        }

        PortRefusal refusal = outcome as PortRefusal ?? Refusals.LeaseEnded(parts, lease, new ClaimView((PortClaim)outcome));
        if (source.TrySetException(new PortRefusedException(refusal)))
        {
            _ = source.Task.Exception;   // nobody has to await it
        }
    }
}
