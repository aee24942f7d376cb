using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap;

/// <summary>
/// The proof that an owner was given a port, or the right to pick one; carries the epoch.
/// </summary>
/// <remarks>
/// <para>All members are safe for any thread. It is open until a process registers with its epoch,
/// it times out, it is released, or another owner's process listens on the port. It is not
/// <see cref="IDisposable"/>: letting go of it frees nothing.</para>
/// <para><see cref="Port"/> and <see cref="Epoch"/> change when a port could not be bound and the
/// owner got another one.</para>
/// </remarks>
[DebuggerDisplay("{Claim.Display,nq}")]
public sealed partial class PortLease
{
    private readonly PortRegistry _registry;
    private readonly ushort _previous;
    private readonly byte _protocol;
    private readonly sbyte _reuse;
    private readonly sbyte _guard;

    /// <param name="registry">The registry.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="acquirer">The session that acquires; null is the host.</param>
    internal PortLease(PortRegistry registry, in PortRequest request, SessionHolder? acquirer = null)
    {
        _registry = registry;
        Owner = request.Owner;
        _previous = (ushort)request.PreviousPort;
        _protocol = (byte)request.Protocol;
        _reuse = request.Reuse is { } reuse ? (sbyte)reuse : (sbyte)-1;
        _guard = request.Guard is { } guard ? (sbyte)guard : (sbyte)-1;
        if (LeaseExtras.Of(request, acquirer) is { } more)   // each write of a reference is told to the collector, also that of a null
        {
            _more = more;
        }
    }

    /// <summary>The owner.</summary>
    public string Owner { get; }

    /// <summary>
    /// What was asked for; <see cref="PortProtocol.TcpAndUdp"/> is one number on both.
    /// </summary>
    public PortProtocol Protocol => (PortProtocol)_protocol;

    /// <summary>The port, or 0 until a process that picks its own has registered.</summary>
    public int Port => Claim.Port;

    /// <summary>
    /// The fencing token: a registration or release that carries it takes effect on this claim
    /// only.
    /// </summary>
    public long Epoch => Claim.Epoch;

    /// <summary>The name of the strategy.</summary>
    public string Strategy => _registry.Parts.Strategies.NameOf(Claim.Strategy);

    /// <summary>
    /// How strongly the port is held now, for a lease or for the registration that used it up; of
    /// two protocols the weaker one.
    /// </summary>
    /// <value>
    /// It is never more than is true: Exclusive until the gate opens, Admitting or ProbedOnly from
    /// then on, and what the entry says once a process has registered.
    /// <see cref="PortGuarantee.LedgerOnly"/> once the claim has ended: nothing holds the port for
    /// it any more. <see cref="PortRegistry.WatchAsync"/> reports the opening of the gate
    /// (<see cref="PortChangeKind.GuaranteeChanged"/>).
    /// </value>
    public PortGuarantee Guarantee => Twin is { } twin && Held(twin) < Held(Claim) ? Held(twin) : Held(Claim);

    /// <summary>
    /// When the lease ends unless a process registers or it is extended; it ends at the first pass
    /// of the registry after that. Means nothing once it is not open.
    /// </summary>
    public DateTimeOffset ExpiresAt => _registry.Parts.Clock.ToUtc(LeaseTimes.EndsAtMs(_registry.Parts, Extension.OpenHalf(this)));

    internal PortRequest Request => new(Owner)
    {
        Protocol = Protocol,
        Previous = _previous,
        Reuse = _reuse < 0 ? null : (PortReuse)_reuse,
        Guard = _guard < 0 ? null : (PortGuardMode)_guard,
        Strategy = Strategy,
        UserId = Volatile.Read(ref _more)?.UserId,
        Ports = Volatile.Read(ref _more)?.Ports,
        LeaseTimeout = Volatile.Read(ref _more)?.TimeoutMs is > 0 and long ms ? TimeSpan.FromMilliseconds(ms) : null,
    };

    /// <summary>
    /// Opens the gate, and tells a worker that is about to be started its port, by environment
    /// variables that <c>WorkerPort</c> reads.
    /// </summary>
    /// <param name="startInfo">
    /// The program; its environment gets PORTMAP_OWNER, PORTMAP_PORT (0: pick your own),
    /// PORTMAP_EPOCH, PORTMAP_PROTOCOL (tcp, udp, tcp+udp), PORTMAP_RANGE (where it may bind),
    /// PORTMAP_EXCLUDE when something is excluded, PORTMAP_BIND_ATTEMPTS, and PORTMAP_ENDPOINT when
    /// known. A name stands in each of them, PORTMAP_HTTP_PORT and so on; PORTMAP_ENDPOINT is set
    /// without it as well. A lease of <see cref="PortScope.Fleet"/> adds PORTMAP_FLEET_EPOCH. And
    /// TRACEPARENT where somebody traces the lease.
    /// </param>
    /// <param name="endpoint">
    /// Where the daemon listens, <c>unix:PATH</c> or <c>tcp:ADDRESS:PORT</c>; null takes
    /// <see cref="PortRegistryOptions.Endpoint"/>.
    /// </param>
    /// <param name="name">
    /// Which port of several: "http", "admin"; the worker asks by <c>WorkerPortOptions.Name</c>. A
    /// letter, then letters, digits or '_', 64 at most, in any case; not "fleet", and not with
    /// "_fleet" at its end. null: the one without a name.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="startInfo"/> is null.</exception>
    /// <exception cref="ArgumentException">The name cannot stand in a variable.</exception>
    /// <exception cref="InvalidOperationException">
    /// Another open lease was given to this start under that name, or both have none.
    /// </exception>
    /// <exception cref="PortRefusedException">
    /// LeaseEnded: this host lost the owner in the fleet, and no worker is to be started for it.
    /// </exception>
    public void PrepareStart(ProcessStartInfo startInfo, string? endpoint = null, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(startInfo);
        if (Bond is { } bond)
        {
            FleetAcquisition.DemandHeld(_registry.Parts, this, bond);
        }

        PreparedStarts.Add(startInfo, this, name);
        LeaseExtras.SetStartName(ref _more, name);
        Announce(Announcement.Prepared);
        OpenGate();
        if (Trace?.TraceParent is { } parent)
        {
            startInfo.Environment[PortmapVariables.TraceParent] = parent;
        }

        new LeaseEnvironment(Owner, Port, Epoch, Protocol, Volatile.Read(ref _more)?.Ports, Bond?.Epoch).Apply(_registry.Parts.Settings, startInfo.Environment, endpoint, name);
    }

    /// <summary>
    /// Starts a program with the socket that the daemon listens on for it
    /// (<see cref="PortGuardMode.PassSocket"/>), as systemd does: descriptor 3 and those after it,
    /// LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID, in the order of <see cref="PrepareStart"/>.
    /// </summary>
    /// <param name="startInfo">
    /// The program, prepared for each of its leases. Its streams and user are the daemon's:
    /// redirections and UserName are not possible, arguments stand in ArgumentList.
    /// </param>
    /// <returns>The process, for <see cref="RegisterAsync"/>; .NET has no exit code of
    /// it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="startInfo"/> is null.</exception>
    /// <exception cref="InvalidOperationException">
    /// <see cref="PrepareStart"/> was not called for this start, no lease has a socket to pass, or the
    /// start redirects streams or uses UserName, Arguments or UseShellExecute.
    /// </exception>
    /// <exception cref="PortRefusedException">LeaseEnded: the lease is not open any more.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">
    /// The system could not start the program.
    /// </exception>
    /// <exception cref="PlatformNotSupportedException">This is not Linux.</exception>
    public Process Start(ProcessStartInfo startInfo) => ProgramStart.Run(_registry.Parts, this, startInfo);

    /// <summary>
    /// Lets the owner's process bind the port, for a program that is told its port in another way
    /// than by <see cref="PrepareStart"/>, or that asks for it while it runs.
    /// </summary>
    /// <remarks>
    /// From now on a process that binds exactly this port with SO_REUSEADDR gets in
    /// (<see cref="PortGuarantee.Admitting"/>), or the placeholder is gone
    /// (<see cref="PortGuarantee.ProbedOnly"/>), as <see cref="PortGuardMode"/> says. The gate
    /// closes once a process has registered. Doing it twice, for a port that is not guarded or for
    /// a lease that is not open, does nothing. A port that a worker acquires or is given over the
    /// wire is opened already. It may wait, without a limit, while another thread works on the
    /// placeholder of the same lease, and stops waiting when the lease ends.
    /// </remarks>
    public void OpenGate()
    {
        Trace?.Started();
        new Gates(_registry.Parts).Open(this);
    }

    /// <summary>
    /// Registers a program that cannot sign in by itself: waits until it listens, at most as long as
    /// the lease is open.
    /// </summary>
    /// <param name="process">
    /// The program, started: the process that listens, or a wrapper that starts it (sh -c, sudo,
    /// setsid, a daemon that forks twice, a master with workers).
    /// </param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>
    /// The entry, with the process that listens. It has no session and ends with that process; when
    /// another one of the program still listens on the port then, it passes to that one, and
    /// <see cref="PortRegistry.WatchAsync"/> tells so by another Registered.
    /// </returns>
    /// <remarks>
    /// <para>Listening is what /proc/pid/net/tcp{,6} (for UDP /proc/pid/net/udp{,6}) says of the
    /// sockets of the process and of its descendants. It is looked for every 20 ms, later every 100
    /// ms. The death of the process is told by the kernel, where it has pidfd_open(2), else seen by
    /// the passes over all processes.</para>
    /// <para>A descendant is known by its line of parents. When those between have gone before they
    /// were seen, it is known by the environment of <see cref="PrepareStart"/>, its process group,
    /// session or command line, and for a lease with a number also by its user, control group and
    /// age.</para>
    /// <para>A lease without a number takes the lowest port inside <see cref="PortRequest.Ports"/>,
    /// else <see cref="PortRegistryOptions.Ports"/>. One outside, a debugger's for instance, is
    /// taken only when there is none inside after 10 s, or half of the LeaseTimeout if that is
    /// less.</para>
    /// <para>A lease for which this fails is open as before, until its time is over: start the
    /// program again with it, or release it (<see cref="ReleaseAsync"/>). Acquiring for the owner
    /// is refused until then (AlreadyReserved).</para>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="process"/> is null.</exception>
    /// <exception cref="PortRefusedException">
    /// ProcessDead: it, and all that came from it, exited first, or before this was called;
    /// NotListening: it did not listen in time, or, at once, a process that is none of it listens
    /// on the port, which <see cref="PortRefusal.HolderProcessId"/> names; Unverifiable: the
    /// kernel's lists could not be read, or who listens cannot be seen; or as a registration
    /// refuses.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// <paramref name="process"/> was not started, or the host is simulated.
    /// </exception>
    /// <exception cref="PlatformNotSupportedException">This is not Linux.</exception>
    public Task<PortEntry> RegisterAsync(Process process, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(process);
        return OperatingSystem.IsLinux()
            ? ProgramRegistration.RunAsync(_registry.Parts, this, process, cancellationToken)
            : throw new PlatformNotSupportedException("Whether a program listens is read from /proc/net; let the program sign in by itself on this system.");
    }

    /// <summary>
    /// Reports that the port could not be bound (EADDRINUSE). It becomes Foreign if a look of the
    /// registry's own agrees, else it cools. <see cref="Port"/> and <see cref="Epoch"/> are those of
    /// another one then, guarded like the first: <see cref="PrepareStart"/> or
    /// <see cref="OpenGate"/> opens it for the next attempt.
    /// </summary>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="PortRefusedException">
    /// AttemptsExhausted after <see cref="PortRegistryOptions.BindAttempts"/> ports, with all of
    /// them in the message; LeaseEnded; Foreign: the port was required; or as acquiring refuses.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask ReportBindFailureAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        return Confirmation.Within(new Healing(_registry.Parts).ReportAsync(this, Protocol, Port), cancellationToken);
    }

    /// <summary>
    /// Gives a program that starts slowly more time: the lease does not time out before this much
    /// time from now. Completes when that is confirmed.
    /// </summary>
    /// <param name="time">From now on, 100 ms to 24 h. Less than is left changes nothing.</param>
    /// <param name="cancellationToken">Gives up waiting; the time is given all the same.</param>
    /// <exception cref="PortRefusedException">
    /// LeaseEnded: it is not open any more; InvalidTime; StoreFailed: it has the time in this run,
    /// and after a restart ends when it was to end before.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask ExtendAsync(TimeSpan time, CancellationToken cancellationToken = default) => cancellationToken.IsCancellationRequested
        ? ValueTask.FromCanceled(cancellationToken)
        : Confirmation.Within(Extension.RunAsync(_registry.Parts, this, time), cancellationToken);

    /// <summary>
    /// Gives the port back, registered or not; completes when that is confirmed. Doing it twice is
    /// no error.
    /// </summary>
    /// <param name="cancellationToken">Gives up waiting; a release that took effect stays.</param>
    /// <exception cref="PortRefusedException">
    /// Stale: the owner has a newer claim. StoreFailed: lookups have stopped, but the end could not
    /// be written; the port stays unusable until the store works again.
    /// </exception>
    /// <exception cref="ObjectDisposedException">
    /// The registry is disposed, and its store is closed: the release is not in the state.
    /// </exception>
    public ValueTask ReleaseAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (_registry.Parts.Table.Confirms)
        {
            return Confirmation.Within(Release.RunAsync(_registry.Parts, this), cancellationToken);
        }

        return TryRelease(out PortRefusal? refusal) ? ValueTask.CompletedTask : ValueTask.FromException(new PortRefusedException(refusal));
    }

    /// <summary>As <see cref="ReleaseAsync"/>, with the refusal as a value.</summary>
    /// <param name="refusal">Stale: the owner has a newer claim.</param>
    /// <returns>Whether the owner has nothing of the lease any more.</returns>
    /// <exception cref="InvalidOperationException">
    /// The registry confirms (<see cref="PortDurability.Confirmed"/>): use
    /// <see cref="ReleaseAsync"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">
    /// The registry is disposed, and its store is closed: the release is not in the state.
    /// </exception>
    public bool TryRelease([NotNullWhen(false)] out PortRefusal? refusal)
    {
        _registry.ThrowIfConfirms(nameof(ReleaseAsync));
        refusal = Release.Now(_registry.Parts, this);
        return refusal is null;
    }

    private static PortGuarantee Held(PortClaim claim) => new ClaimView(claim).Stage == ClaimStage.Ended ? PortGuarantee.LedgerOnly : claim.Guarantee;
}
