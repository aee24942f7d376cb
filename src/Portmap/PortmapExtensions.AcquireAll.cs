using System.Diagnostics.CodeAnalysis;
using Portmap.Operations;

namespace Portmap;

public static partial class PortmapExtensions
{
    /// <summary>Gives several owners their ports, all or none; completes when that is
    /// confirmed.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="requests">What is asked for: owners, protocols and strategies may differ. At
    /// most 256; an owner at most once for each protocol. Read now.</param>
    /// <param name="contiguous">Whether the ports are to lie in a row, in the order of the
    /// requests: found wherever there is such a row. For strategies that name
    /// numbers.</param>
    /// <param name="cancellationToken">Gives up waiting; leases that took effect stay until they
    /// time out.</param>
    /// <returns>The leases in the order of the requests. Each lives for itself from then
    /// on.</returns>
    /// <remarks>Lookups see all leases or none: they take effect at one moment. Watchers are told
    /// of each after it. With a store one write holds all, so that after a crash all are open or
    /// none is (<see cref="PortFact.Group"/> says what a store of the host's owes for that). The
    /// built-in store does that up to 64 KiB (256 leases whose owners have up to 60 bytes); of a
    /// longer group a part may be open after a crash, and times out.</remarks>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="PortRefusedException">As <see cref="TryAcquireAll"/> refuses, and
    /// StoreFailed: the leases could not be written and were withdrawn.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public static ValueTask<IReadOnlyList<PortLease>> AcquireAllAsync(
        this PortRegistry registry, IReadOnlyList<PortRequest> requests, bool contiguous = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentNullException.ThrowIfNull(requests);
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<IReadOnlyList<PortLease>>(cancellationToken)
            : Confirmation.Within(AcquireAllForAsync(registry.Parts, acquirer: null, [.. requests], contiguous), cancellationToken);
    }

    /// <summary>As <see cref="AcquireAllAsync"/>, with the refusal as a value, in bounded
    /// time.</summary>
    /// <param name="registry">The registry.</param>
    /// <param name="requests">What is asked for.</param>
    /// <param name="contiguous">Whether the ports are to lie in a row.</param>
    /// <param name="leases">The leases in the order of the requests.</param>
    /// <param name="refusal">Why, and by <see cref="PortRefusal.Request"/> which of the requests:
    /// as <see cref="PortRegistry.TryAcquire"/> refuses; AlreadyReserved also for an owner that
    /// stands twice; LimitReached: more than 256 requests; Contended: others changed the same
    /// owners or ports 64 times meanwhile. In a row also NeedsNumbers: a strategy leaves the number
    /// to the process; InvalidPort: required ports that do not lie in a row; Exhausted, whose text
    /// has the longest row there is. Nothing was taken, no port cools, and nobody saw
    /// anything of it.</param>
    /// <returns>Whether all are acquired.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="InvalidOperationException">The registry confirms
    /// (<see cref="PortDurability.Confirmed"/>): use <see cref="AcquireAllAsync"/>.</exception>
    /// <exception cref="ObjectDisposedException">The registry is disposed.</exception>
    public static bool TryAcquireAll(
        this PortRegistry registry, IReadOnlyList<PortRequest> requests, bool contiguous, [NotNullWhen(true)] out IReadOnlyList<PortLease>? leases, [NotNullWhen(false)] out PortRefusal? refusal)
    {
        ArgumentNullException.ThrowIfNull(registry);
        ArgumentNullException.ThrowIfNull(requests);
        registry.ThrowIfConfirms(nameof(AcquireAllAsync));
        refusal = GroupAcquisition.Now(registry.Parts, [.. requests], contiguous, out ILease[] granted);
        leases = refusal is null ? Array.ConvertAll(granted, lease => (PortLease)lease) : null;
        return leases is not null;
    }

    /// <summary>Acquires for a session, or for the host.</summary>
    internal static async Task<IReadOnlyList<PortLease>> AcquireAllForAsync(RegistryParts parts, SessionHolder? acquirer, PortRequest[] requests, bool contiguous) =>
        Array.ConvertAll(
            await FleetAcquisition.RunAsync(parts, requests, all => GroupAcquisition.RunAsync(parts, all, contiguous, acquirer)).ConfigureAwait(false),
            lease => (PortLease)lease);
}
