using System.Diagnostics.CodeAnalysis;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap;

/// <summary>One connection of one process to the registry; what is registered over it belongs to it.</summary>
/// <remarks>
/// <para>All members are safe for any thread.</para>
/// <para>Disposing it says that the connection is gone. The process is looked at then at once and again after 10, 50 and 250 ms, because the kernel
/// closes sockets before the process shows as dead. Dead: its registrations end. Alive: they are served for
/// <see cref="PortRegistryOptions.DisconnectGrace"/>, in which it may register them again over a new session. Unknown: lookups stop at once, and
/// the entries wait out the grace for their owner only.</para>
/// <para>It is not a lease: it may register owners that nobody acquired (the process binds, the registry keeps the book).</para>
/// </remarks>
public sealed partial class PortSession : IAsyncDisposable
{
    private readonly PortRegistry _registry;

    /// <summary>One over which the host itself speaks: it may everything.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="processId">The process, or 0.</param>
    /// <param name="program">The program it is a process of, where the host registers for it; such a session has no connection.</param>
    internal PortSession(PortRegistry registry, int processId, Operations.ServedProgram? program = null)
        : this(registry, processId, ProcessUser.Of(processId), program) => IsTrusted = true;

    internal PortSession(PortRegistry registry, int processId, uint? userId, Operations.ServedProgram? program = null)
    {
        _registry = registry;
        _program = program;
        UserId = userId;
        IsTrusted = ProcessUser.Own is not { } own || userId == own || userId == ProcessUser.Root;
        _process = WatchedProcess.Open(processId, observer: this, out bool isDead);
        _state = isDead ? Dead : Connected;   // dead: gone before it could be looked at; a process of another pid namespace is 0
        if (isDead)
        {
            _process.Dispose();
        }
        else if (program is not null || registry.Settings.Probe)
        {
            _process.TellWhenItEnds();
        }
    }

    /// <summary>A process that was registered in an earlier run and lives; it never had a connection to this one.</summary>
    internal PortSession(PortRegistry registry, ProcessIdentity recovered, uint? userId)
    {
        _registry = registry;
        UserId = userId;
        _process = WatchedProcess.Of(recovered);
        _state = Recovered;
        _lookedAt = registry.NowMs;
        if (!recovered.IsKnown)
        {
            _disconnectedAt = registry.NowMs;
            WaitOutGrace();   // nobody can see it die, so its owner has as long to come back as after a connection that broke off
        }
    }

    /// <summary>The process, or null when it is not known.</summary>
    public int? ProcessId => Process.Id is > 0 and int known ? known : null;

    /// <summary>The user it speaks for, or null when it is not known. With its claims it outlives the process.</summary>
    internal uint? UserId { get; }

    /// <summary>Root, the daemon's user, or the host itself. Where users are not known (not Linux), whoever got in.</summary>
    internal bool IsTrusted { get; }

    /// <summary>The host opened it itself, and nothing is known of its process.</summary>
    internal bool IsVouchedFor { get; init; }

    internal ProcessIdentity Process => Watched.Identity;

    /// <summary>As <see cref="PortRegistry.AcquireAsync"/>, for this session: it, its user, root and the daemon's user may use the lease.</summary>
    /// <param name="request">The owner, and what differs from the options. A string will do.</param>
    /// <param name="cancellationToken">Gives up waiting; a lease that took effect stays until it times out.</param>
    /// <returns>The lease. It does not end with the session.</returns>
    /// <exception cref="PortRefusedException">As <see cref="PortRegistry.AcquireAsync"/> refuses; NotOwner: the owner is registered by a
    /// living process of another user; SessionEnded.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortLease> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<PortLease>(cancellationToken)
            : PortRegistry.Within(_registry.AcquireForAsync(this, request), cancellationToken);

    /// <summary>Says that the process listens on a port for an owner; completes when that is confirmed.</summary>
    /// <param name="request">
    /// The owner and the port, and the epoch of the lease when somebody acquired. Register only after Listen has
    /// returned (UDP: after Bind).
    /// </param>
    /// <param name="cancellationToken">Gives up waiting; a registration that took effect stays.</param>
    /// <returns>The Bound entry. Registering the same again is no error and answers the same.</returns>
    /// <exception cref="PortRefusedException">
    /// As <see cref="TryRegister"/> refuses; with <see cref="PortRegistryOptions.VerifyListening"/> also NotListening
    /// and Unverifiable; and StoreFailed: the registration could not be written and was withdrawn, and what lookups
    /// answer never changed.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortEntry> RegisterAsync(PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<PortEntry>(cancellationToken);
        }

        return _registry.Settings.VerifyListening
            ? RegisterVerifiedAsync(request, cancellationToken)
            : RegisterBelievedAsync(request, cancellationToken);
    }

    /// <summary>As <see cref="RegisterAsync"/>, with the refusal as a value.</summary>
    /// <param name="request">The owner and the port, and the epoch of the lease when somebody acquired.</param>
    /// <param name="entry">The Bound entry.</param>
    /// <param name="refusal">
    /// InvalidOwner, InvalidPort, InvalidProtocol; Conflict: a living process of somebody else has the owner or the
    /// port; NotOwner: the lease, or the owner it would replace, is another user's; Stale: the claim of that epoch has
    /// ended; WrongPort: the lease is for another port; NotListening: it would take something from another one, and
    /// the kernel says that nobody listens there; TooManyOwners; ProcessDead; SessionEnded.
    /// </param>
    /// <returns>Whether it is registered.</returns>
    /// <exception cref="InvalidOperationException">
    /// <see cref="PortRegistryOptions.VerifyListening"/> is on, or the registry confirms
    /// (<see cref="PortDurability.Confirmed"/>), for which a registration waits: use <see cref="RegisterAsync"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public bool TryRegister(PortClaimRequest request, out PortEntry entry, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        _registry.ThrowIfConfirms(nameof(RegisterAsync));
        if (_registry.Settings.VerifyListening)
        {
            throw new InvalidOperationException($"This registry verifies that a process listens before it believes a registration (VerifyListening), which {nameof(TryRegister)} cannot wait for. Use {nameof(RegisterAsync)}.");
        }

        return TryRegisterBelieved(request, out entry, out refusal);
    }

    /// <summary>Gives a port back; completes when that is confirmed. Doing it twice, or for an owner nobody knows, is no error.</summary>
    /// <param name="request">
    /// The owner. With a port or an epoch only the claim on that port, or of that epoch, is given back.
    /// </param>
    /// <param name="cancellationToken">Gives up waiting; a release that took effect stays.</param>
    /// <exception cref="PortRefusedException">
    /// As <see cref="TryRelease"/> refuses, and StoreFailed: lookups have stopped, but the end could not be written; the
    /// port stays unusable until the store works again.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed, and its store is closed: the release is not in the state.</exception>
    public ValueTask ReleaseAsync(PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (_registry.Confirms)
        {
            return PortRegistry.Within(_registry.ReleaseConfirmedAsync(() => Release(request)), cancellationToken);
        }

        return TryRelease(request, out PortRefusal? refusal) ? ValueTask.CompletedTask : ValueTask.FromException(new PortRefusedException(refusal));
    }

    /// <summary>As <see cref="ReleaseAsync"/>, with the refusal as a value.</summary>
    /// <param name="request">
    /// The owner. With a port or an epoch only the claim on that port, or of that epoch, is given back.
    /// </param>
    /// <param name="refusal">
    /// InvalidOwner, InvalidPort, InvalidProtocol; NotOwner: the claim is of a living process of somebody else, or a
    /// lease. The session that acquired it, root, the daemon's user and the claim's user end it by its epoch; Stale: the
    /// owner has a newer claim.
    /// </param>
    /// <returns>Whether the owner has it no more.</returns>
    /// <exception cref="InvalidOperationException">The registry confirms (<see cref="PortDurability.Confirmed"/>): use <see cref="ReleaseAsync"/>.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed, and its store is closed: the release is not in the state.</exception>
    public bool TryRelease(PortClaimRequest request, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        _registry.ThrowIfConfirms(nameof(ReleaseAsync));
        refusal = Release(request);
        return refusal is null;
    }

    /// <summary>Reports that the process could not bind or listen (EADDRINUSE): the port becomes Foreign and the owner gets another one.</summary>
    /// <remarks>
    /// It may be repeated when the answer was lost: the same owner, port and epoch get the same answer and count
    /// once, as long as the lease that was answered is open.
    /// </remarks>
    /// <param name="request">
    /// The owner and the port that could not be bound, and the epoch of the lease when somebody acquired.
    /// </param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>The lease with its new port and epoch, and its gate open; port 0 means: bring another one.</returns>
    /// <exception cref="PortRefusedException">
    /// AttemptsExhausted after <see cref="PortRegistryOptions.BindAttempts"/> ports, with all of them in the message;
    /// Stale: that lease has ended, and not by losing its port to another owner; NotOwner: the lease is another user's,
    /// or a living process of somebody else has the owner; Foreign: the port was required; SessionEnded; or as acquiring
    /// refuses.
    /// </exception>
    public ValueTask<PortLease> ReportBindFailureAsync(PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<PortLease>(cancellationToken);
        }

        Task<PortLease> healing = _registry.ReportBindFailureAsync(this, request.Owner, request.Port ?? 0, request.Epoch ?? 0, request.Protocol);
        return PortRegistry.Within(healing, cancellationToken);
    }

    /// <summary>Says that the connection is gone; see the remarks of the class. Returns at once, and a second call does nothing.</summary>
    public ValueTask DisposeAsync()
    {
        Disconnect();
        return ValueTask.CompletedTask;
    }

    private bool TryRegisterBelieved(in PortClaimRequest request, out PortEntry entry, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        refusal = _registry.Register(this, request.Owner, request.Port ?? 0, request.Epoch ?? 0, request.Protocol, out PortClaim? claim);
        entry = claim is null ? default : _registry.EntryOf(claim);
        return refusal is null;
    }

    private ValueTask<PortEntry> RegisterBelievedAsync(in PortClaimRequest request, CancellationToken cancellationToken)
    {
        if (_registry.Confirms)
        {
            Task<PortEntry> registering = _registry.RegisterConfirmedAsync(this, request.Owner, request.Port ?? 0, request.Epoch ?? 0, request.Protocol);
            return PortRegistry.Within(registering, cancellationToken);
        }

        return TryRegisterBelieved(request, out PortEntry entry, out PortRefusal? refusal)
            ? ValueTask.FromResult(entry)
            : ValueTask.FromException<PortEntry>(new PortRefusedException(refusal));
    }

    private async ValueTask<PortEntry> RegisterVerifiedAsync(PortClaimRequest request, CancellationToken cancellationToken)
    {
        ValueTask<PortRefusal?> verifying = _registry.VerifyAsync(this, request.Owner, request.Port ?? 0, request.Protocol);
        PortRefusal? refusal = await verifying.AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        if (refusal is not null)
        {
            Diagnostics.PortmapMetrics.Refused(refusal.Reason);
            throw new PortRefusedException(refusal);
        }

        return await RegisterBelievedAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private PortRefusal? Release(in PortClaimRequest request) =>
        _registry.Release(this, request.Owner, request.Port ?? 0, request.Epoch ?? 0, request.Protocol);
}
