using System.Runtime.CompilerServices;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Gives a port back: "only the owner signs out".</summary>
/// <remarks>
/// <code>
///   1. look at the owner        nothing there: it is given back already
///   2. find the claim meant     by the lease object, by its epoch, or whichever the owner has
///   3. hold it against the caller's right
///   4. end it                   lookups no longer find it; the number is free when the end is on disk
/// </code>
/// Doing it twice is no error.
/// </remarks>
internal struct Release : IOperation
{
    private readonly RegistryParts _parts;
    private readonly SessionHolder? _caller;   // null is the host, by its lease
    private readonly ILease? _lease;
    private readonly OwnerKey _owner;
    private readonly int _port;
    private readonly long _epoch;

    /// <summary>By the lease: of what it became, registered or not.</summary>
    public Release(RegistryParts parts, ILease lease)
    {
        parts.ThrowIfEnded();
        _parts = parts;
        _lease = lease;
    }

    /// <summary>Over a session.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="caller">Who wants it.</param>
    /// <param name="request">The claim; checked.</param>
    public Release(RegistryParts parts, SessionHolder caller, in PortClaimRequest request)
    {
        parts.ThrowIfEnded();
        _parts = parts;
        _caller = caller;
        _owner = parts.Table.Key(request.Protocol, request.Owner);
        _port = request.Port ?? 0;
        _epoch = parts.Fence.Resolve(_owner, request.Epoch ?? 0, caller);
    }

    /// <summary>What is wrong with what a caller says, before anything is done.</summary>
    private static PortRefusal? Check(in PortClaimRequest request) =>
        Refusals.CheckOwnerAndProtocol(request.Owner, request.Protocol, both: false)
        ?? (request.Port is < 0 or > 65_535
            ? Refusals.InvalidPort(request.Owner, request.Port.Value, request.Protocol, "leave it null for whichever the owner has")
            : null);

    /// <summary>Releases on a registry that confirms, by the lease.</summary>
    public static async Task RunAsync(RegistryParts parts, ILease lease) => await new Release(parts, lease).RunAsync().ConfigureAwait(false);

    /// <summary>Releases on a registry that confirms, over a session.</summary>
    public static async Task RunAsync(RegistryParts parts, SessionHolder caller, PortClaimRequest request)
    {
        parts.Counted(Check(request))?.Throw();
        await new Release(parts, caller, request).RunAsync().ConfigureAwait(false);
    }

    /// <summary>Releases at once.</summary>
    /// <returns>Why it was refused, or null.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]   // a root of its own: inlined into its caller, what lies deeper is left as calls
    public static PortRefusal? Now(RegistryParts parts, ILease lease)
    {
        parts.ThrowIfEnded();
        PortClaim claim = lease.Claim;
        if (lease.Twin is null && parts.Table.TryRelease(claim, parts.NowMs))
        {
            parts.ThrowIfLate(new ClaimView(claim));
            return null;
        }

        return StepsNow(parts, lease);
    }

    /// <inheritdoc cref="Now(RegistryParts, ILease)"/>
    /// <remarks>What is said is checked only where it finds nothing: nobody has what cannot be said.</remarks>
    public static PortRefusal? Now(RegistryParts parts, SessionHolder caller, in PortClaimRequest request) =>
        PlainRegistration.TryRelease(parts, caller, request) ? null : parts.Counted(Check(request)) ?? StepsNow(parts, caller, request);

    [MethodImpl(MethodImplOptions.NoInlining)]   // its locals are not cleared on the way past it
    private static PortRefusal? StepsNow(RegistryParts parts, ILease lease)
    {
        Release release = new(parts, lease);
        return parts.Counted(Confirmation.Now(ref release));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // as above
    private static PortRefusal? StepsNow(RegistryParts parts, SessionHolder caller, in PortClaimRequest request)
    {
        Release release = new(parts, caller, request);
        return parts.Counted(Confirmation.Now(ref release));
    }

    public readonly Answer Step()
    {
        long now = _parts.NowMs;
        if (_lease is null)
        {
            return _epoch != 0 ? EndByEpoch(_owner, _epoch, now) : EndUnnamed(now);
        }

        Answer first = EndHalf(_lease.Claim, now);
        return first.Kind == AnswerKind.Done && _lease.Twin is { } twin ? EndHalf(twin, now) : first;
    }

    /// <summary>What is pending on the owner takes effect or fails by a turn that fails.</summary>
    public readonly PortRefusal? WhenStoreFails(Exception failure) => null;

    private readonly async Task RunAsync()
    {
        RegistryParts parts = _parts;
        Completed<Release> completed = await new Confirmation(parts).StepsAsync(this).ConfigureAwait(false);
        parts.Counted(completed.Refusal)?.Throw();

        // All that was queued before, so that a second release does not answer before the first one
        // is on disk.
        if (await parts.Journal!.FlushAsync().ConfigureAwait(false) is { } failure)
        {
            parts.Counted(Refusals.StoreFailed(_lease?.Owner ?? _owner.Owner, _lease?.Protocol ?? _owner.Protocol, failure)).Throw();
        }
    }

    /// <summary>Ends what the owner's cell holds for a lease; if that is nothing, the epoch tells
    /// what became of it.</summary>
    private readonly Answer EndHalf(PortClaim half, long now)
    {
        ClaimView open = _parts.Table.FindLeaseBeside(half, now, out bool waits);
        if (waits)
        {
            return Answer.Wait(AwaitedFact.OfOwner);
        }

        return ReferenceEquals(open.Lease, _lease) ? End(open, ClaimEnd.Released, now)
            : EndByEpoch(_parts.Table.Key(half.Protocol, _lease!.Owner), half.Origin, now);   // registered, also by a program that was started again, or over
    }

    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private readonly Answer EndByEpoch(OwnerKey owner, long epoch, long now)
    {
        OwnerView has = _parts.Table.Look(owner, now);
        if (has.IsNone)
        {
            return Answer.Done;
        }

        if (has.Waits)
        {
            return Answer.Wait(AwaitedFact.OfOwner);
        }

        ClaimView meant = has.Served.IsOf(epoch) ? has.Served : has.Lease.Epoch == epoch ? has.Lease : default;
        if (meant.IsNone)
        {
            ClaimView newest = has.Newest;
            return newest.Epoch > epoch ? Refusals.Stale(new(owner.Owner, newest.Port, owner.Protocol), epoch, newest, last: null) : Over(has);
        }

        return _caller is not null && !OwnerRights.SpeaksFor(_caller, meant)
            ? Refusals.NotOwner(owner.Owner, meant, _caller)
            : End(meant, ClaimEnd.Released, now);
    }

    /// <summary>Ends whatever the owner has, for a caller that carries no epoch.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]   // seldom needed: its locals are not cleared on the way past it
    private readonly Answer EndUnnamed(long now)
    {
        OwnerView has = _parts.Table.Look(_owner, now);
        if (has.IsNone)
        {
            return Answer.Done;
        }

        if (has.Waits)
        {
            return Answer.Wait(AwaitedFact.OfOwner);
        }

        if (SessionHolder.Of(has.Served) is not { } session)
        {
            return EndUnnamedLease(has, now);
        }

        if (_port != 0 && has.Served.Port != _port)
        {
            return EndUnnamedLease(has, now);   // it may have that one by its lease, or not any more
        }

        return OwnerRights.MayEndUnnamed(_caller!, has.Served)
            ? End(has.Served, session.IsOver ? session.EndCause : ClaimEnd.Released, now)
            : Refusals.NotOwner(_owner.Owner, has.Served, _caller!);
    }

    private readonly Answer EndUnnamedLease(in OwnerView has, long now)
    {
        ClaimView lease = has.Lease;
        return lease.IsNone || (_port != 0 && lease.Port != _port) ? Over(has)
            : OwnerRights.MayEndUnnamed(_caller!, lease) ? End(lease, ClaimEnd.Released, now)
            : Refusals.NotOwner(_owner.Owner, lease, _caller!);
    }

    /// <summary>The owner has it no more. Who ended it has told the store, or this has by its look;
    /// unless the registry was being disposed, and its end is not in the state.</summary>
    private readonly Answer Over(in OwnerView has)
    {
        if (_parts.IsDisposed && has.IsAnyLate())
        {
            _parts.ThrowIfDisposed();
        }

        return Answer.Done;
    }

    /// <summary>Ends the claim that was found; one that ended meanwhile is looked for
    /// anew.</summary>
    private readonly Answer End(ClaimView claim, ClaimEnd cause, long now)
    {
        if (!_parts.Table.TryEnd(claim, cause, now))
        {
            return Answer.Again;
        }

        _parts.ThrowIfLate(claim.Now());
        return Answer.Done;
    }
}
