using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Gives several owners their ports, all or none.</summary>
/// <remarks>
/// <code>
///   1. look at all owners, find all ports     pending claims in their slots, under the guard, each as an acquisition of its own would
///   2. join them to a group                   from here on one word decides
///   3. push each on top of its owner          whoever meets one of them before all are there ends the group: begin again
///   4. finish the group                       facts written together, where the registry confirms; then one CAS: lookups show all leases
/// </code>
/// What is refused in step 1 or 3, or not written, was never seen by a lookup or a watcher.
/// <para>Rivals: two asks for the same owners may end each other's group, so each begins again at
/// most <see cref="MaxTries"/> times; then it is Contended. Blocks are taken from the lowest port
/// upwards, so of two that overlap the one that stands higher goes on.</para>
/// </remarks>
internal struct GroupAcquisition : IOperation
{
    /// <summary>How many requests one ask may have: their facts are one line of the state, unless
    /// their owners have long names.</summary>
    public const int MaxRequests = 256;

    /// <summary>How often an ask begins again because others came between.</summary>
    public const int MaxTries = 64;

    private readonly RegistryParts _parts;
    private readonly Acquisition[] _members;
    private readonly BlockHunt? _block;
    private readonly int[] _order;
    private ClaimGroup? _group;   // all members top their owners; it waits for the disk
    private int _tries;
    private bool _hasWaited;

    private GroupAcquisition(RegistryParts parts, Acquisition[] members, bool contiguous)
    {
        _parts = parts;
        _members = members;
        _block = contiguous ? new BlockHunt(parts, members) : null;
        _order = [];
        if (!contiguous)
        {
            _order = [.. Enumerable.Range(0, members.Length)];
            // Who has less to choose from comes first, so that none is given away within the ask: a
            // number without which it is refused before all others, few ports before many, both
            // protocols before one, a number that is preferred before one that is picked.
            long now = parts.NowMs;
            long[] ranks = Array.ConvertAll(members, member => Rank(ref member.Hunt, now));
            Array.Sort(ranks, _order);
        }
    }

    /// <summary>Checks an ask and makes the operation of it.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="requests">What is asked for.</param>
    /// <param name="contiguous">Ports in a row, in the order of the requests.</param>
    /// <param name="acquirer">The session that acquires; null is the host.</param>
    /// <param name="made">The operation, and the leases it will grant, which are nobody's
    /// yet.</param>
    /// <returns>What is wrong with the ask, or null.</returns>
    public static PortRefusal? TryMake(
        RegistryParts parts, ReadOnlySpan<PortRequest> requests, bool contiguous, SessionHolder? acquirer, out (GroupAcquisition Operation, ILease[] Leases) made)
    {
        made = default;
        parts.ThrowIfDisposed();
        if (requests.Length > MaxRequests)
        {
            return GroupRefusals.TooManyTogether(requests.Length, MaxRequests);
        }

        HashSet<(bool IsUdp, string Owner)> owners = new(requests.Length);
        Dictionary<(bool IsUdp, int Port), string> required = [];
        byte[] strategies = new byte[requests.Length];
        for (int i = 0; i < requests.Length; i++)
        {
            PortRequest request = requests[i];
            PortRefusal? refusal = Acquisition.Check(parts, request, out strategies[i])
                ?? (acquirer is { IsConnected: false } ? Refusals.SessionEnded(acquirer, request.Owner, request.Protocol) : null)
                ?? ((request.Protocol != PortProtocol.Udp && !owners.Add((false, request.Owner))) || (request.Protocol != PortProtocol.Tcp && !owners.Add((true, request.Owner)))
                    ? GroupRefusals.TwiceInOneAsk(request)
                    : null)
                ?? (contiguous ? null : RequiredTwice(parts, request, required));
            if (refusal is not null)
            {
                return refusal.Of(i, requests.Length);
            }
        }

        // Once all are well-formed: the trace of a lease begins when it is made.
        Acquisition[] members = new Acquisition[requests.Length];
        ILease[] leases = new ILease[requests.Length];
        for (int i = 0; i < requests.Length; i++)
        {
            leases[i] = parts.NewLease(requests[i], acquirer);
            members[i] = new Acquisition(parts, leases[i], requests[i], strategies[i]);
        }

        made = (new GroupAcquisition(parts, members, contiguous), leases);
        return null;
    }

    /// <param name="hunt">A copy: what it recalls here is forgotten.</param>
    /// <param name="now">The time.</param>
    private static long Rank(ref PortHunt hunt, long now)
    {
        int wanted = hunt.Wanted(now, out bool isRequired);
        return (isRequired ? 0 : 1L << 32) + (4 * hunt.Pool.Count) + (hunt.Both ? 0 : 2) + (wanted != 0 ? 0 : 1);
    }

    /// <summary>A number is given to one owner: in a row it is told by its place.</summary>
    private static PortRefusal? RequiredTwice(RegistryParts parts, PortRequest request, Dictionary<(bool IsUdp, int Port), string> required)
    {
        int port = Required(parts, request);
        if (port == 0)
        {
            return null;
        }

        foreach (bool isUdp in (ReadOnlySpan<bool>)[false, true])
        {
            bool asks = isUdp ? request.Protocol != PortProtocol.Tcp : request.Protocol != PortProtocol.Udp;
            if (asks && !required.TryAdd((isUdp, port), request.Owner))
            {
                return GroupRefusals.RequiredTwice(request with { Previous = port }, required[(isUdp, port)]);
            }
        }

        return null;
    }

    /// <summary>The number without which a request is refused, by its own word or as the one that
    /// the registry remembers; or 0.</summary>
    private static int Required(RegistryParts parts, PortRequest request)
    {
        if ((request.Reuse ?? parts.Settings.Reuse) != PortReuse.Require)
        {
            return 0;
        }

        if (request.PreviousPort != 0)
        {
            return request.PreviousPort;
        }

        int last = parts.Table.Memory.LastPort(parts.Table.Key(request.Protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp, request.Owner));
        return last != 0 && parts.HandsOut(last, request) ? last : 0;
    }

    /// <summary>Acquires at once, on a registry that does not confirm.</summary>
    public static PortRefusal? Now(RegistryParts parts, PortRequest[] requests, bool contiguous, out ILease[] leases)
    {
        PortRefusal? refusal = TryMake(parts, requests, contiguous, acquirer: null, out (GroupAcquisition Operation, ILease[] Leases) made);
        refusal ??= Confirmation.NowOrThrown(ref made.Operation);
        leases = made.Leases;
        return Tell(parts, refusal, leases);
    }

    /// <summary>Acquires over the turns of a store, or at once where there is nothing to wait
    /// for.</summary>
    /// <exception cref="PortRefusedException">It was refused.</exception>
    public static async Task<ILease[]> RunAsync(RegistryParts parts, PortRequest[] requests, bool contiguous, SessionHolder? acquirer)
    {
        PortRefusal? refusal = TryMake(parts, requests, contiguous, acquirer, out (GroupAcquisition Operation, ILease[] Leases) made);
        refusal ??= (await new Confirmation(parts).RunAsync(made.Operation).ConfigureAwait(false)).Refusal;
        Tell(parts, refusal, made.Leases)?.Throw();
        foreach (ILease lease in made.Leases)
        {
            acquirer?.NoteAcquired(lease);
        }

        return made.Leases;
    }

    /// <param name="parts">What it works with.</param>
    /// <param name="refusal">Why it was refused, or null.</param>
    /// <param name="leases">What was made; null when the ask was malformed.</param>
    private static PortRefusal? Tell(RegistryParts parts, PortRefusal? refusal, ILease[]? leases)
    {
        if (refusal is not null)
        {
            foreach (ILease lease in leases ?? [])
            {
                LeaseOutcome.EndTrace(lease, refusal);   // nobody gets it
            }

            parts.Metrics.Refused(refusal.Reason);
            return refusal;
        }

        foreach (ILease lease in leases!)
        {
            LeaseOutcome.EndIfDisposed(lease, parts);
        }

        return null;
    }

    public Answer Step() => Confirmation.AfterPendingEnds(Confirmation.MayBringPorts(_parts), Try(_parts.NowMs), ref _hasWaited);

    public readonly PortRefusal? WhenStoreFails(Exception failure) =>
        _group is not null || _members.Length == 0 ? null : Refusals.StoreFailed(_members[0].Hunt.Owner.Owner, _members[0].Hunt.Owner.Protocol, failure);

    private Answer Try(long now)
    {
        if (_group is null)
        {
            Answer pushed = PushOrUndo(now);
            if (pushed.Kind != AnswerKind.Done)
            {
                return pushed;
            }
        }

        Publication finished = _parts.Table.FinishGroup(_group!, now);
        if (finished == Publication.Pending)
        {
            return Answer.Wait(AwaitedFact.Own);
        }

        if (finished == Publication.Done)
        {
            foreach (PortClaim claim in _group!.Members)
            {
                _parts.ThrowIfLate(new ClaimView(claim));
            }

            return Answer.Done;
        }

        Undo(now);
        return finished == Publication.StoreFailed
            ? Refusals.StoreFailed(_members[0].Hunt.Owner.Owner, _members[0].Hunt.Owner.Protocol, _parts.Journal!.LastFailure)
            : BeginAgain();
    }

    public readonly void WhenThrown(Exception exception)
    {
        foreach (Acquisition member in _members)
        {
            member.WhenThrown(exception);
        }
    }

    /// <summary>Others came between, which took effect themselves.</summary>
    private Answer BeginAgain() => ++_tries < MaxTries ? Answer.Again : GroupRefusals.Contended(_members.Length, MaxTries);

    private Answer PushOrUndo(long now)
    {
        Answer answer = Answer.Again;
        try
        {
            answer = Push(now);
        }
        finally
        {
            if (answer.Kind != AnswerKind.Done)
            {
                Undo(now);   // whatever failed there: nothing stays half taken
            }
        }

        return answer.Kind == AnswerKind.Again ? BeginAgain() : answer;
    }

    private Answer Push(long now)
    {
        Answer found = _block is null ? FindEach(now) : _block.Find(now);
        if (found.Kind != AnswerKind.Done)
        {
            return found;
        }

        if (!TryJoin())
        {
            return Answer.Again;   // a process that listens took a port meanwhile
        }

        for (int i = 0; i < _members.Length; i++)
        {
            Publication pushed = _members[i].Push(now, out ClaimView standing);
            if (pushed != Publication.Done)
            {
                return Of(i, _members[i].AnswerOf(pushed, standing));
            }
        }

        return Answer.Done;
    }

    private readonly Answer FindEach(long now)
    {
        foreach (int i in _order)
        {
            Answer found = _members[i].Prepare(now);
            if (found.Kind != AnswerKind.Done)
            {
                return Of(i, found);
            }
        }

        return Answer.Done;
    }

    private bool TryJoin()
    {
        List<PortClaim> claims = new(_members.Length);
        foreach (ref Acquisition member in _members.AsSpan())
        {
            claims.Add(member.Hunt.Claim!);
            if (member.Hunt.Twin is { } twin)
            {
                claims.Add(twin);
            }
        }

        ClaimGroup group = new([.. claims]);
        _group = group;
        return claims.TrueForAll(claim => claim.TryJoin(group));
    }

    private void Undo(long now)
    {
        foreach (ref Acquisition member in _members.AsSpan())
        {
            member.Undo(now);
        }

        _group = null;
    }

    private readonly Answer Of(int request, Answer answer) => answer.Refusal is { } refusal ? refusal.Of(request, _members.Length) : answer;
}
