using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Portmap.Operations;

namespace Portmap;

/// <summary>
/// One connection of one process to the registry; what is registered over it belongs to it.
/// </summary>
/// <remarks>
/// <para>All members are safe for any thread.</para>
/// <para>Disposing it says that the connection is gone. The process is looked at then at once and
/// again after 10, 50 and 250 ms, because the kernel closes sockets before the process shows as
/// dead. If it is dead, its registrations end. If it lives, they are served for
/// <see cref="PortRegistryOptions.DisconnectGrace"/>, in which it may register them again over a
/// new session. If the process is unknown, lookups do not return its entries any more, and only
/// their owner can have them back within that time.</para>
/// <para>It is not a lease: it may register owners that nobody acquired, because a process may bind
/// a port by itself and tell the registry afterwards.</para>
/// </remarks>
[DebuggerDisplay("{_holder.Display,nq}")]
public sealed class PortSession : IAsyncDisposable
{
    private readonly PortRegistry _registry;
    private readonly SessionHolder _holder;

    internal PortSession(PortRegistry registry, SessionHolder holder)
    {
        _registry = registry;
        _holder = holder;
    }

    /// <summary>The process, or null when it is not known.</summary>
    public int? ProcessId => _holder.ProcessId is > 0 and int known ? known : null;

    /// <summary>
    /// Completes when the session is over: its process has died, or it was disposed and its grace
    /// has passed.
    /// </summary>
    /// <value>
    /// Never faults. A server whose connection outlives its process (the process forked, and the
    /// child holds the socket) closes it then, so that the child connects anew. Where the kernel
    /// tells of deaths (pidfd_open, Linux 5.3) it completes 20 ms after one, else with the next
    /// pass.
    /// </value>
    public Task Ended => _holder.Ended;

    internal SessionHolder Holder => _holder;

    /// <summary>
    /// As <see cref="PortRegistry.AcquireAsync"/>, for this session: it, its user, root and the
    /// daemon's user may use the lease.
    /// </summary>
    /// <param name="request">
    /// The owner, and what differs from the options. A string will do.
    /// </param>
    /// <param name="cancellationToken">
    /// Gives up waiting; a lease that took effect stays until it times out.
    /// </param>
    /// <returns>The lease. It does not end with the session.</returns>
    /// <exception cref="PortRefusedException">
    /// As <see cref="PortRegistry.AcquireAsync"/> refuses; NotOwner: the owner is registered by a
    /// living process of another user; SessionEnded.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortLease> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<PortLease>(cancellationToken)
            : Confirmation.Within(_registry.AcquireForAsync(_holder, request), cancellationToken);

    /// <summary>Asks for ports for several owners, all or none; completes when that is
    /// confirmed.</summary>
    /// <param name="requests">What is asked for, as
    /// <see cref="PortmapExtensions.AcquireAllAsync"/> says.</param>
    /// <param name="contiguous">Whether the ports are to lie in a row.</param>
    /// <param name="cancellationToken">Gives up waiting; leases that took effect stay until they
    /// time out.</param>
    /// <returns>The leases in the order of the requests. They do not end with the
    /// session.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="requests"/> is null.</exception>
    /// <exception cref="PortRefusedException">As <see cref="AcquireAsync"/> and
    /// <see cref="PortmapExtensions.AcquireAllAsync"/> refuse; one refusal for all.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<IReadOnlyList<PortLease>> AcquireAllAsync(IReadOnlyList<PortRequest> requests, bool contiguous = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<IReadOnlyList<PortLease>>(cancellationToken)
            : Confirmation.Within(PortmapExtensions.AcquireAllForAsync(_registry.Parts, _holder, [.. requests], contiguous), cancellationToken);
    }

    /// <summary>
    /// Says that the process listens on a port for an owner; completes when that is confirmed.
    /// </summary>
    /// <param name="request">
    /// The owner and the port, and the epoch of the lease when somebody acquired. Register only
    /// after Listen has returned (UDP: after Bind).
    /// </param>
    /// <param name="cancellationToken">
    /// Gives up waiting; a registration that took effect stays.
    /// </param>
    /// <returns>
    /// The Bound entry. Registering the same again is no error and answers the same.
    /// </returns>
    /// <exception cref="PortRefusedException">
    /// As <see cref="TryRegister"/> refuses; with <see cref="PortRegistryOptions.VerifyListening"/>
    /// NotListening and Unverifiable also where nothing is taken; and StoreFailed: the registration
    /// could not be written and was withdrawn, and what lookups answer never changed.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortEntry> RegisterAsync(PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<PortEntry>(cancellationToken);
        }

        if (_registry.Parts.Settings.VerifyListening || _registry.Parts.Table.Confirms)
        {
            return new(Registration.RunAsync(_registry.Parts, _holder, request, cancellationToken));
        }

        return TryRegister(request, out PortEntry entry, out PortRefusal? refusal)
            ? ValueTask.FromResult(entry)
            : ValueTask.FromException<PortEntry>(new PortRefusedException(refusal));
    }

    /// <summary>As <see cref="RegisterAsync"/>, with the refusal as a value.</summary>
    /// <param name="request">
    /// The owner and the port, and the epoch of the lease when somebody acquired.
    /// </param>
    /// <param name="entry">The Bound entry.</param>
    /// <param name="refusal">
    /// InvalidOwner, InvalidPort, InvalidProtocol; Conflict: a living process of somebody else has
    /// the owner or the port; NotOwner: the lease, or the owner it would replace, is another
    /// user's; Stale: the claim of that epoch has ended; WrongPort: the lease is for another port;
    /// NotListening: it would take something from another one, and the kernel says that nobody
    /// listens there; Unverifiable: the same, and who listens cannot be seen; TooManyOwners;
    /// ProcessDead; SessionEnded.
    /// </param>
    /// <returns>Whether it is registered.</returns>
    /// <exception cref="InvalidOperationException">
    /// <see cref="PortRegistryOptions.VerifyListening"/> is on, or the registry confirms
    /// (<see cref="PortDurability.Confirmed"/>), for which a registration waits: use
    /// <see cref="RegisterAsync"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public bool TryRegister(PortClaimRequest request, out PortEntry entry, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        _registry.ThrowIfConfirms(nameof(RegisterAsync));
        if (_registry.Parts.Settings.VerifyListening)
        {
            throw new InvalidOperationException($"This registry verifies that a process listens before it believes a registration (VerifyListening), which {nameof(TryRegister)} cannot wait for. Use {nameof(RegisterAsync)}.");
        }

        refusal = Registration.Now(_registry.Parts, _holder, request, out entry);
        return refusal is null;
    }

    /// <summary>
    /// Gives a port back; completes when that is confirmed. Doing it twice, or for an owner nobody
    /// knows, is no error.
    /// </summary>
    /// <param name="request">
    /// The owner. With a port or an epoch only the claim on that port, or of that epoch, is given
    /// back.
    /// </param>
    /// <param name="cancellationToken">Gives up waiting; a release that took effect stays.</param>
    /// <exception cref="PortRefusedException">
    /// As <see cref="TryRelease"/> refuses, and StoreFailed: lookups have stopped, but the end
    /// could not be written; the port stays unusable until the store works again.
    /// </exception>
    /// <exception cref="ObjectDisposedException">
    /// The registry is disposed, and its store is closed: the release is not in the state.
    /// </exception>
    public ValueTask ReleaseAsync(PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (_registry.Parts.Table.Confirms)
        {
            return Confirmation.Within(Release.RunAsync(_registry.Parts, _holder, request), cancellationToken);
        }

        return TryRelease(request, out PortRefusal? refusal) ? ValueTask.CompletedTask : ValueTask.FromException(new PortRefusedException(refusal));
    }

    /// <summary>As <see cref="ReleaseAsync"/>, with the refusal as a value.</summary>
    /// <param name="request">
    /// The owner. With a port or an epoch only the claim on that port, or of that epoch, is given
    /// back.
    /// </param>
    /// <param name="refusal">
    /// InvalidOwner, InvalidPort, InvalidProtocol; NotOwner: the claim is a lease, or is of a living
    /// process, and the caller has no right to it. Root, the daemon's user and the claim's user have
    /// to give its epoch; its own process and session, and the session that acquired it, need not;
    /// Stale: the owner has a newer claim.
    /// </param>
    /// <returns>Whether the owner has it no more.</returns>
    /// <exception cref="InvalidOperationException">
    /// The registry confirms (<see cref="PortDurability.Confirmed"/>): use
    /// <see cref="ReleaseAsync"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">
    /// The registry is disposed, and its store is closed: the release is not in the state.
    /// </exception>
    public bool TryRelease(PortClaimRequest request, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        _registry.ThrowIfConfirms(nameof(ReleaseAsync));
        refusal = Release.Now(_registry.Parts, _holder, request);
        return refusal is null;
    }

    /// <summary>
    /// Reports that the process could not bind or listen (EADDRINUSE). The port becomes Foreign if a
    /// look of the registry's own agrees, else it cools. The owner gets another one.
    /// </summary>
    /// <param name="request">
    /// The owner and the port that could not be bound, and the epoch of the lease when somebody
    /// acquired. Its protocol may be TcpAndUdp: then the number is bad on both, and an owner that has
    /// nothing gets one that is good on both.
    /// </param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>
    /// The lease with its new port and epoch, and its gate open; port 0 means: pick another one.
    /// </returns>
    /// <remarks>
    /// It may be repeated when the answer was lost: the same owner, port and epoch get the same
    /// answer and count once, as long as the lease that was answered is open.
    /// </remarks>
    /// <exception cref="PortRefusedException">
    /// AttemptsExhausted after <see cref="PortRegistryOptions.BindAttempts"/> ports, with all of
    /// them in the message; Stale: that lease has ended, and not by losing its port to another
    /// owner; NotOwner: the lease is another user's, or a living process of somebody else has the
    /// owner; Foreign: the port was required; SessionEnded; or as acquiring refuses.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortLease> ReportBindFailureAsync(PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<PortLease>(cancellationToken);
        }

        return Confirmation.Within(ReportAsync(request), cancellationToken);
    }

    /// <summary>
    /// Gives an owner's open lease more time: it does not time out before this much time from now.
    /// Completes when that is confirmed.
    /// </summary>
    /// <param name="request">The owner, and the epoch of the lease; null is whichever is
    /// open.</param>
    /// <param name="time">From now on, 100 ms to 24 h. Less than is left changes nothing.</param>
    /// <param name="cancellationToken">Gives up waiting; the time is given all the same.</param>
    /// <returns>The lease.</returns>
    /// <exception cref="PortRefusedException">
    /// InvalidOwner, InvalidProtocol, InvalidTime; LeaseEnded: there is no such open lease;
    /// NotOwner: it is not for this user to use; SessionEnded; StoreFailed.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public ValueTask<PortLease> ExtendAsync(PortClaimRequest request, TimeSpan time, CancellationToken cancellationToken = default)
    {
        return cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<PortLease>(cancellationToken) : Confirmation.Within(ExtendAsync(), cancellationToken);

        async Task<PortLease> ExtendAsync() => (PortLease)await Extension.RunAsync(_registry.Parts, _holder, request, time).ConfigureAwait(false);
    }

    /// <summary>
    /// Says that the connection is gone; see the remarks of the class. Returns at once, and a
    /// second call does nothing.
    /// </summary>
    public ValueTask DisposeAsync()
    {
        _holder.Disconnect();
        return ValueTask.CompletedTask;
    }

    private async Task<PortLease> ReportAsync(PortClaimRequest request) =>
        (PortLease)await new Healing(_registry.Parts).ReportAsync(_holder, request).ConfigureAwait(false);
}
