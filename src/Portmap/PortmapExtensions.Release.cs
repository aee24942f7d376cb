using System.Diagnostics.CodeAnalysis;

namespace Portmap;

public static partial class PortmapExtensions
{
    /// <summary>
    /// Ends what an owner has, in the name of the host: its registration, or else its open lease,
    /// also one that an earlier run of the host left. Completes when that is confirmed. Doing it
    /// twice, or for an owner that has nothing, is no error.
    /// </summary>
    /// <param name="registry">The registry.</param>
    /// <param name="request">
    /// The owner. With a port or an epoch only the claim on that port, or of that epoch, ends. A
    /// string will do.
    /// </param>
    /// <param name="cancellationToken">Gives up waiting; a release that took effect stays.</param>
    /// <remarks>
    /// The host needs no right. The process is not ended: a worker learns of it
    /// (<c>WorkerPort.WhenLost</c>), and is to stop. A worker that is being started with a lease
    /// that is ended here registers all the same, as one that nobody acquired for. Who holds the
    /// <see cref="PortLease"/> uses <see cref="PortLease.ReleaseAsync"/>.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="registry"/> is null.</exception>
    /// <exception cref="PortRefusedException">
    /// As <see cref="TryRelease"/> refuses, and StoreFailed: lookups have stopped, but the end could
    /// not be written; the port stays unusable until the store works again.
    /// </exception>
    /// <exception cref="ObjectDisposedException">
    /// The registry is disposed, and its store is closed: the release is not in the state.
    /// </exception>
    public static ValueTask ReleaseAsync(this PortRegistry registry, PortClaimRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return OfHost(registry).ReleaseAsync(request, cancellationToken);
    }

    /// <summary>As <see cref="ReleaseAsync"/>, with the refusal as a value.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="request">
    /// The owner. With a port or an epoch only the claim on that port, or of that epoch, ends.
    /// </param>
    /// <param name="refusal">
    /// InvalidOwner, InvalidPort, InvalidProtocol; Stale: the owner has a newer claim than the one
    /// of that epoch.
    /// </param>
    /// <returns>Whether the owner has it no more.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="registry"/> is null.</exception>
    /// <exception cref="InvalidOperationException">
    /// The registry confirms (<see cref="PortDurability.Confirmed"/>): use
    /// <see cref="ReleaseAsync"/>.
    /// </exception>
    /// <exception cref="ObjectDisposedException">
    /// The registry is disposed, and its store is closed: the release is not in the state.
    /// </exception>
    public static bool TryRelease(this PortRegistry registry, PortClaimRequest request, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return OfHost(registry).TryRelease(request, out refusal);
    }

    private static PortSession OfHost(PortRegistry registry) => new(registry, registry.Parts.Host);
}
