using System.Globalization;
using System.Net.Sockets;
using Portmap.Guarding;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Every refusal in one place: the value, the bound, the holder if known, and the remedy.
/// Texts are built when they are read.</summary>
internal static class Refusals
{
    /// <summary>What is wrong with a name or a protocol, or null.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="protocol">The protocol.</param>
    /// <param name="both">Both protocols at once fit.</param>
    public static PortRefusal? CheckOwnerAndProtocol(string? owner, PortProtocol protocol, bool both) =>
        OwnerName.Complaint(owner) is { } complaint ? InvalidOwner(owner, protocol, complaint)
        : protocol is PortProtocol.Tcp or PortProtocol.Udp || (both && protocol == PortProtocol.TcpAndUdp) ? null
        : InvalidProtocol(owner!, protocol, both);

    public static PortRefusal StoreFailed(string owner, PortProtocol protocol, Exception failure) =>
        new(
            PortRefusalReason.StoreFailed,
            () => Text($"The change of {owner} could not be written: {failure.Message.TrimEnd('.')}. Look at the state folder and its disk; it works again as soon as the store does."),
            owner, 0, protocol);

    public static PortRefusal OpenTimeout(PortRegistrySettings settings) =>
        new(PortRefusalReason.StoreFailed, () => Text($"The stored state could not be read within {settings.OpenTimeout}. Look at the state folder and its disk, or raise OpenTimeout."));

    public static PortRefusal OpenFailed(Exception failure) =>
        new(PortRefusalReason.StoreFailed, () => $"The stored state could not be opened: {failure.Message.TrimEnd('.')}. Look at the state folder and its disk.");

    public static PortRefusal InvalidOwner(string? owner, PortProtocol protocol, string complaint) =>
        new(PortRefusalReason.InvalidOwner, () => complaint, owner, 0, protocol);

    public static PortRefusal InvalidProtocol(string owner, PortProtocol protocol, bool both) =>
        new(PortRefusalReason.InvalidProtocol, () => $"The protocol {protocol} does not fit here; use Tcp or Udp{(both ? " or TcpAndUdp" : string.Empty)}.", owner, 0, protocol);

    public static PortRefusal InvalidPort(string owner, int port, PortProtocol protocol, string remedy) =>
        new(PortRefusalReason.InvalidPort, () => Text($"The port {port} is not one of 1..65535; {remedy}."), owner, port, protocol);

    public static PortRefusal InvalidPorts(PortRequest request, string complaint) =>
        new(
            PortRefusalReason.InvalidPort,
            () => Text($"The ports '{request.Ports}' that {request.Owner} asks for cannot be had. {complaint}"),
            request.Owner, 0, request.Protocol);

    public static PortRefusal InvalidTime(string owner, PortProtocol protocol, TimeSpan time) =>
        new(
            PortRefusalReason.InvalidTime,
            () => Text($"A lease of {owner} cannot wait for {time}; choose a time from {LeaseTimes.Least} to {LeaseTimes.Most}."),
            owner, 0, protocol);

    /// <summary>What is to be extended is not open.</summary>
    public static PortRefusal NoSuchLease(PortClaimRequest wanted, long epoch, ClaimView newest) =>
        new(
            PortRefusalReason.LeaseEnded,
            () => Text($"{wanted.Owner} has no open lease{(epoch == 0 ? string.Empty : Text($" of epoch {epoch}"))}{(newest.IsNone ? string.Empty : Text($"; its newest claim has epoch {newest.Epoch} on port {newest.Port}"))}. Acquire again, or leave that claim as it is."),
            wanted.Owner, wanted.Port ?? 0, wanted.Protocol)
        { Holder = newest.IsNone ? null : wanted.Owner, HolderEpoch = newest.Epoch, HolderProcessId = ProcessOf(newest) };

    public static PortRefusal NotHandedOut(PortRequest request, PortRegistrySettings settings) =>
        new(
            PortRefusalReason.InvalidPort,
            () => Text($"The port {request.PreviousPort} that {request.Owner} requires is not handed out: {(request.Ports is { } asked ? Text($"it asks for {asked}, and the range") : "the range")} is {settings.Ports.Text}{(settings.Exclude.Length > 0 ? $" without {settings.Exclude}" : string.Empty)}{(settings.Kept?.OwnerOf(request.PreviousPort) is { } kept ? $", and it is kept for {kept}" : string.Empty)}. Widen the range, or ask with Prefer or Fresh."),
            request.Owner, request.PreviousPort, request.Protocol);

    public static PortRefusal UnknownStrategy(PortRequest request, IReadOnlyList<string> strategies) =>
        new(
            PortRefusalReason.UnknownStrategy,
            () => $"There is no strategy '{request.Strategy}'; the registry has {string.Join(", ", strategies)}. Ask with one of these, or add it to the options (AddStrategy).",
            request.Owner, 0, request.Protocol);

    public static PortRefusal Denied(PortRequest request, int port) =>
        new(PortRefusalReason.PortDenied, () => $"{request.Owner}: {BindError.Explain(SocketError.AccessDenied, port)}", request.Owner, port, request.Protocol);

    /// <param name="request">What was asked for.</param>
    /// <param name="pool">The ports that would do.</param>
    /// <param name="ports">Who has the ports; asked when the text is read.</param>
    /// <param name="denied">The ports that the system did not let us bind, if any.</param>
    public static PortRefusal Exhausted(PortRequest request, PortPool pool, PortLookup ports, HashSet<int>? denied)
    {
        if (denied?.Count == pool.Count)
        {
            return Denied(request, denied.Min());
        }

        return new(
            PortRefusalReason.Exhausted,
            () =>
            {
                string taken = request.Protocol == PortProtocol.TcpAndUdp ? $"both protocols; {Taken(ports, PortProtocol.Tcp, pool)}; {Taken(ports, PortProtocol.Udp, pool)}" : Taken(ports, request.Protocol, pool);
                return Text($"No port of {pool.Text} ({pool.Count} that may be handed out) is free for {request.Owner} on {taken}{(denied is null ? string.Empty : Text($", {denied.Count} may not be bound by this user (EACCES)"))}. {(request.Ports is null ? "Widen Ports" : "Ask for more of Ports")}, shorten ReuseDelay or release what is not used.");
            },
            request.Owner, 0, request.Protocol);
    }

    private static string Taken(PortLookup ports, PortProtocol protocol, PortPool pool)
    {
        PortCounts counts = ports.Count(protocol, pool);
        return Text($"{protocol}: {counts.Bound} are bound, {counts.Reserved} reserved, {counts.Cooling} cooling, {counts.Foreign} foreign");
    }

    public static PortRefusal StrategyFailed(PortRequest request, string strategy, Exception failure) =>
        new(
            PortRefusalReason.StrategyFailed,
            () => Text($"The strategy {strategy} failed while it picked a port for {request.Owner} on {Transport(request.Protocol)}: {failure.GetType().Name}: {failure.Message.TrimEnd('.')}. Nothing was taken. Mend that strategy, or ask with another one."),
            request.Owner, 0, request.Protocol);

    public static PortRefusal StrategyOfferedNothing(PortRequest request, string strategy, (PortHints Hints, PortPool Pool) free, int answer) =>
        new(
            PortRefusalReason.StrategyOfferedNothing,
            () =>
            {
                int first = free.Hints.FindFree(free.Pool);
                string last = answer == PortSearch.Nothing ? "nothing" : Text($"{answer}, which it may not hand out");
                return Text($"The strategy {strategy} offered no port for {request.Owner} on {Transport(request.Protocol)} that can be had, though ports of {free.Pool.Text} are free{(first > 0 ? Text($", {first} for one") : string.Empty)}; its last answer was {last}. Let it name every free port sooner or later, or ask with another strategy.");
            },
            request.Owner, 0, request.Protocol);

    public static PortRefusal TooManyOwners(string owner, PortProtocol protocol, int maxOwners) =>
        new(
            PortRefusalReason.TooManyOwners,
            () => Text($"{owner} would be owner {maxOwners + 1L} of at most {maxOwners}; raise MaxOwners or release owners that are not used."),
            owner, 0, protocol);

    public static PortRefusal AlreadyReserved(string owner, ClaimView lease, RegistryParts parts) =>
        new(
            PortRefusalReason.AlreadyReserved,
            () => Text($"{owner} has an open lease already: epoch {lease.Epoch}, {(lease.Port == 0 ? "the process picks the port" : Text($"port {lease.Port}"))}, until {parts.Clock.ToUtc(LeaseTimes.EndsAtMs(parts, lease)):u}. Use that lease, release it (PortLease.ReleaseAsync, or PortRegistry.ReleaseAsync with its epoch), or wait for its end."),
            owner, lease.Port, lease.Protocol)
        { Holder = owner, HolderEpoch = lease.Epoch };

    public static PortRefusal AlreadyServed(string owner, PortEntry entry) =>
        new(PortRefusalReason.AlreadyServed, () => ServedAlready.Text(entry.Owner, entry.State == PortState.Recovered, Text($"{entry.Port}/{entry.Protocol}"), entry.ProcessId, entry.Epoch, entry.Since), owner, entry.Port, entry.Protocol)
        { Holder = owner, HolderProcessId = entry.ProcessId, HolderEpoch = entry.Epoch, Entry = entry };

    public static PortRefusal Foreign(PortRequest request, PortRegistrySettings settings, ForeignHolders holders) =>
        new(
            PortRefusalReason.Foreign,
            () => Text($"The port {request.PreviousPort} that {request.Owner} requires is in use by something outside the registry{By(holders.Of(request.Protocol, request.PreviousPort)[0])}. Stop that program, wait until it is looked at again ({settings.ForeignRecheck}), or ask with Prefer or Fresh."),
            request.Owner, request.PreviousPort, request.Protocol)
        { FindHolder = () => holders.Of(request.Protocol, request.PreviousPort)[0]?.ProcessId ?? 0 };

    public static PortRefusal InUse(PortRequest request, PortEntry holder, bool isCooling) =>
        new(
            PortRefusalReason.InUse,
            () => holder.Owner.Length == 0
                ? Text($"The port {request.PreviousPort} that {request.Owner} requires is being taken or given back right now. Try again, or ask with Prefer or Fresh.")
                : isCooling
                    ? Text($"The port {request.PreviousPort} that {request.Owner} requires is cooling after {holder.Owner} since {holder.Since:u}. Wait for ReuseDelay, or ask with Prefer or Fresh.")
                : holder.State == PortState.Cooling
                    ? Text($"The port {request.PreviousPort} that {request.Owner} requires is kept after {holder.Owner} since {holder.Since:u} and could not be taken over: somebody else is at it, or no descriptor is left to see who listens there (ulimit -n, LimitNOFILE= of systemd). Try again, or ask with Prefer or Fresh.")
                    : Text($"The port {request.PreviousPort} that {request.Owner} requires is {holder.State} for {holder.Owner}{Process(holder.ProcessId)} since {holder.Since:u}. Release it there, or ask with Prefer or Fresh."),
            request.Owner, request.PreviousPort, request.Protocol)
        { Holder = holder.Owner, HolderProcessId = holder.ProcessId, HolderEpoch = holder.Epoch };

    public static PortRefusal OwnerConflict(Place wanted, ClaimView holder) =>
        Conflict(wanted, holder, $"{wanted.Owner} is registered on {holder.Port} by a living process{Process(ProcessOf(holder))}, epoch {holder.Epoch}. Stop or sign out that process, or acquire a lease for the new one.");

    public static PortRefusal PortConflict(Place wanted, ClaimView holder) =>
        Conflict(wanted, holder, $"The port {wanted.Port} that {wanted.Owner} registers belongs to {holder.Owner} of a living process{Process(ProcessOf(holder))}, epoch {holder.Epoch}. Listen on another port, or stop that process.");

    /// <param name="wanted">What was asked for.</param>
    /// <param name="epoch">The epoch it carried.</param>
    /// <param name="newest">The newest claim of the owner, or none.</param>
    /// <param name="last">What the owner had last, or null.</param>
    public static PortRefusal Stale(Place wanted, long epoch, ClaimView newest, LastRegistration? last) =>
        newest.IsNone && last?.Origin > epoch ? Outlived(wanted, epoch, last.Value) :
        new(
            PortRefusalReason.Stale,
            () => newest.IsNone
                ? Text($"The claim of {wanted.Owner} with epoch {epoch} has ended and there is no newer one. Acquire again.")
                : Text($"The claim of {wanted.Owner} with epoch {epoch} has ended; the newest one has epoch {newest.Epoch} on port {newest.Port}. Use that one, or acquire again."),
            wanted.Owner, wanted.Port, wanted.Protocol)
        { Holder = newest.IsNone ? null : wanted.Owner, HolderEpoch = newest.Epoch, HolderProcessId = ProcessOf(newest) };

    /// <summary>A later one of the owner is over as well. It is named as the holder, so that the
    /// worker does not take itself for the last one.</summary>
    private static PortRefusal Outlived(Place wanted, long epoch, LastRegistration last) =>
        new(
            PortRefusalReason.Stale,
            () => Text($"The claim of {wanted.Owner} with epoch {epoch} has ended; the last one had epoch {last.Epoch} on port {last.Port}, and has ended too. Acquire again."),
            wanted.Owner, wanted.Port, wanted.Protocol)
        { Holder = wanted.Owner, HolderEpoch = last.Epoch };

    public static PortRefusal WrongPort(Place wanted, ClaimView lease) =>
        new(
            PortRefusalReason.WrongPort,
            () => Text($"The lease {lease.Epoch} of {wanted.Owner} is for port {lease.Port}, not {wanted.Port}. Listen on {lease.Port}, or report that it could not be bound to get another one."),
            wanted.Owner, wanted.Port, wanted.Protocol)
        { Holder = wanted.Owner, HolderEpoch = lease.Epoch };

    /// <summary>A caller that may not speak for what an owner has, or may and did not say which
    /// claim it means.</summary>
    public static PortRefusal NotOwner(string owner, ClaimView holder, SessionHolder stranger, int port = 0) =>
        new(
            PortRefusalReason.NotOwner,
            () => Text($"{owner} has {Held(holder)}{User(OwnerRights.UserOf(holder))}, epoch {holder.Epoch}; the caller{Process(stranger.Process.Id)}{User(stranger.UserId)} changes nothing of it. {Remedy(holder, stranger)}"),
            owner, port != 0 ? port : holder.Port, holder.Protocol)
        { Holder = owner, HolderProcessId = ProcessOf(holder), HolderEpoch = holder.Epoch };

    private static string Held(ClaimView holder) =>
        !holder.IsLease ? Text($"{holder.Port} with a living process{Process(ProcessOf(holder))}")
        : holder.Port == 0 ? "an open lease"
        : Text($"an open lease of {holder.Port}");

    private static string User(uint? user) => user is { } known ? Text($" of user {known}") : string.Empty;

    private static string Remedy(ClaimView holder, SessionHolder stranger) =>
        !OwnerRights.SpeaksFor(stranger, holder)
            ? holder.IsLease
                ? "Only the session that acquired it, the user it is for, the daemon's and root may use it or give it back; ask as one of them, or acquire it for that user (PortRequest.UserId)."
                : "Only its own process and session, the session that acquired it, its user, the daemon's and root may change that; ask as one of them, or stop that process."
            : holder.IsLease
            ? Text($"Only a request that carries its epoch, {holder.Epoch}, may end it.")
            : Text($"Only a request that carries its epoch, {holder.Epoch}, may sign it out; or stop that process.");

    public static PortRefusal ProcessDead(Place wanted, int processId) =>
        new(PortRefusalReason.ProcessDead, () => Text($"The process {processId} that should serve {wanted.Owner} is dead. Start it again."), wanted.Owner, wanted.Port, wanted.Protocol);

    public static PortRefusal SessionEnded(SessionHolder session, string owner, PortProtocol protocol) =>
        new(
            PortRefusalReason.SessionEnded,
            () => Text($"The session of {(session.ProcessId == 0 ? "an unknown process" : Text($"process {session.ProcessId}"))} has ended, so nothing of {owner} changes over it. Open a new session."),
            owner, 0, protocol);

    public static PortRefusal ExitedFirst(ILease lease, int processId)
    {
        string hint = GateHint(lease) + (lease.IsOpen ? " The lease is still open: start the program again with it, or release it (lease.ReleaseAsync)." : string.Empty);
        return new(
            PortRefusalReason.ProcessDead,
            () => Text($"The process {processId} of {lease.Owner} ended before it listened on {Target(lease)}. Look at its log.{hint}"),
            lease.Owner, lease.Port, lease.Protocol);
    }

    public static PortRefusal NotListening(ILease lease, int processId, TimeSpan waited)
    {
        string hint = GateHint(lease);
        return new(
            PortRefusalReason.NotListening,
            () => Text($"The process {processId} of {lease.Owner} did not listen on {Target(lease)} within {waited}. Look at its log, raise LeaseTimeout, or extend the lease.{hint}"),
            lease.Owner, lease.Port, lease.Protocol);
    }

    public static PortRefusal SomebodyElseListens(ILease lease, int processId, int stranger)
    {
        string name = Processes.ProcessFiles.NameOf(stranger);
        return new(
            PortRefusalReason.NotListening,
            () => Text($"Not the process {processId} of {lease.Owner} nor one that came from it listens on port {lease.Port}, but pid {stranger} ({name}). Stop that one, or report the bind failure to get another port and start the program again."),
            lease.Owner, lease.Port, lease.Protocol)
        { HolderProcessId = stranger };
    }

    public static PortRefusal LeaseOver(ILease lease) =>
        new(PortRefusalReason.LeaseEnded, () => Text($"The lease {lease.Epoch} of {lease.Owner} has ended. Acquire again."), lease.Owner, lease.Port, lease.Protocol);

    /// <summary>A lease for both protocols cannot move: a process has registered one half of
    /// it.</summary>
    public static PortRefusal HalfUsed(ILease lease) =>
        new(PortRefusalReason.LeaseEnded, () => Text($"One half of the lease of {lease.Owner} is registered on port {lease.Port}, so both cannot get another one. Release the lease and acquire again, or register the other half too."), lease.Owner, lease.Port, lease.Protocol);

    public static PortRefusal Taken(ILease lease, ClaimView claim, ClaimView winner) =>
        new(
            PortRefusalReason.Taken,
            () => Text($"The lease {claim.Epoch} of {lease.Owner} on port {claim.Port} ended: {winner.Owner}{Process(ProcessOf(winner))} listens there. Report the bind failure to get another port, or acquire again."),
            lease.Owner, claim.Port, claim.Protocol)
        { Holder = winner.Owner, HolderProcessId = ProcessOf(winner), HolderEpoch = winner.Epoch };

    public static PortRefusal LeaseEnded(RegistryParts parts, ILease lease, ClaimView claim) =>
        new(
            PortRefusalReason.LeaseEnded,
            () => Text($"The lease {claim.Epoch} of {lease.Owner} {(claim.Port == 0 ? string.Empty : Text($"on port {claim.Port} "))}ended{(claim.Cause == ClaimEnd.Expired ? WhyUnused(parts, lease, claim) : Text($" before a process registered: {claim.Cause}. Acquire again."))}"),
            lease.Owner, claim.Port, claim.Protocol);

    public static PortRefusal RegistryDisposed(ILease lease) =>
        new(PortRefusalReason.LeaseEnded, () => Text($"The registry was disposed while the lease {lease.Epoch} of {lease.Owner} was open. Acquire again from the registry that takes its place."), lease.Owner, lease.Port, lease.Protocol);

    public static PortRefusal AttemptsExhausted(ILease lease, PortRegistrySettings settings, ForeignHolders holders)
    {
        IReadOnlyList<int> tried = lease.TriedPorts;
        return new(
            PortRefusalReason.AttemptsExhausted,
            () => Text($"{lease.Owner} could not bind {tried.Count} ports in a row, at most {settings.BindAttempts} are tried: {string.Join(", ", tried.Zip(holders.Of(lease.Protocol, tried), (port, holder) => port == 0 ? "one of its own" : Text($"{port}{By(holder)}")))}. Stop who holds them, choose another range, or raise BindAttempts."),
            lease.Owner, tried[^1], lease.Protocol)
        { FindHolder = () => holders.Of(lease.Protocol, tried)[^1]?.ProcessId ?? 0 };
    }

    private static PortRefusal Conflict(Place wanted, ClaimView holder, FormattableString message) =>
        new(PortRefusalReason.Conflict, () => message.ToString(CultureInfo.InvariantCulture), wanted.Owner, wanted.Port, wanted.Protocol)
        {
            Holder = holder.Owner,
            HolderProcessId = ProcessOf(holder),
            HolderEpoch = holder.Epoch,
        };

    private static int ProcessOf(ClaimView claim) => SessionHolder.Of(claim)?.ProcessId ?? 0;

    private static string Target(ILease lease) => lease.Port == 0 ? "any port" : Text($"port {lease.Port}");

    // The claim's own guarantee: that of a lease which has ended meanwhile is another one.
    private static string GateHint(ILease lease) => lease.Claim.Guarantee switch
    {
        PortGuarantee.Admitting => " If its log says 'address already in use', it binds without SO_REUSEADDR and is kept out like everybody else: acquire its port with Guard = StepAside.",
        PortGuarantee.Exclusive when lease.Request.Guard != PortGuardMode.PassSocket => " The gate was not opened for this lease, so the placeholder keeps the program out as well: call PrepareStart (or OpenGate) before the start.",
        _ => string.Empty,
    };

    /// <summary>What an expired lease waited for, and what may be the cause, by what its process was
    /// told.</summary>
    private static string WhyUnused(RegistryParts parts, ILease lease, ClaimView claim)
    {
        LeaseExtras? extras = Volatile.Read(ref lease.Extras);
        string time = extras?.ExtendedToMs > 0
            ? Text($"until {parts.Clock.ToUtc(claim.AtMs):u}")
            : Text($"within {LeaseTimes.TimeoutMs(parts, lease) / 1000.0} s");
        if (lease.Announced == Announcement.None)
        {
            return $": no process signed in {time}, and neither PrepareStart nor OpenGate was called for it. Acquire again, and call one of them before the program starts.";
        }

        string name = lease.Announced != Announcement.Prepared ? string.Empty
            : extras?.StartName is { } said ? $", does it ask for the port by the name '{said}'"
            : ", does it ask for the port without a name";
        return $": no process signed in {time}. Was the program started, did it end (its log and exit code){name}? Acquire again.";
    }

    private static string By(ForeignHolder? holder) => holder is null ? string.Empty : Text($" (pid {holder.ProcessId}, {holder.Command})");

    /// <summary>Of both protocols a strategy is asked about TCP.</summary>
    private static PortProtocol Transport(PortProtocol protocol) => protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp;

    private static string Process(int? processId, string not = "") => processId is null or 0 ? string.Empty : Text($" (pid {processId}{not})");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
