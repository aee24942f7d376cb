using System.Globalization;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Acquires owners that exist once in the fleet.</summary>
/// <remarks>
/// <code>
///   1. look at the owner here       served by a living process, or an open lease: refused before anybody is asked
///   2. claim it in the fleet        a bond, known from here on
///   3. acquire here                 as any other, unless it is served
///   4. bind the lease to the bond   from here on the end of one is the end of the other
/// </code>
/// What is refused gives all claims back. Several in one ask are claimed one after the other: who
/// is refused one waits for nobody, so two asks never wait for each other.
/// </remarks>
internal static class FleetAcquisition
{
    /// <summary>Acquires; requests of this host only are left as they are.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="requests">What is asked for.</param>
    /// <param name="acquire">Acquires all of it here.</param>
    /// <exception cref="PortRefusedException">It was refused.</exception>
    public static async Task<ILease[]> RunAsync(RegistryParts parts, PortRequest[] requests, Func<PortRequest[], Task<ILease[]>> acquire)
    {
        if (Array.TrueForAll(requests, request => request.Scope == PortScope.Host))
        {
            return await acquire(requests).ConfigureAwait(false);
        }

        FleetBonds? fleet = parts.Fleet;
        PortRequest[] here = Array.ConvertAll(requests, request => request.Scope == PortScope.Host ? request : request with { Scope = PortScope.Host, UnlessServed = true });
        FleetBond?[] bonds = new FleetBond?[requests.Length];
        ILease[] leases;
        try
        {
            for (int i = 0; i < requests.Length; i++)
            {
                if (requests[i].Scope != PortScope.Host)
                {
                    bonds[i] = await ClaimAsync(parts, fleet, here[i], (i, requests.Length)).ConfigureAwait(false);
                }
            }

            leases = await acquire(here).ConfigureAwait(false);
        }
        catch
        {
            for (int i = 0; i < bonds.Length; i++)
            {
                if (bonds[i] is { } bond)
                {
                    fleet!.GiveBack(here[i].Owner, bond);
                }
            }

            throw;
        }

        for (int i = 0; i < bonds.Length; i++)
        {
            if (bonds[i] is { } bond)
            {
                fleet!.Bind(bond, leases[i]);
            }
        }

        return leases;
    }

    /// <summary>What a request is answered that cannot wait for the fleet.</summary>
    /// <returns>NoFleet, where there is none.</returns>
    /// <exception cref="InvalidOperationException">There is one.</exception>
    public static PortRefusal RefuseAtOnce(RegistryParts parts, in PortRequest request) => parts.Fleet is null
        ? NoFleet(request)
        : throw new InvalidOperationException($"'{request.Owner}' is to be claimed in the fleet (Scope is {PortScope.Fleet}), which takes a request over the network: use {nameof(PortRegistry.AcquireAsync)}.");

    /// <exception cref="PortRefusedException">The owner of a lease is lost.</exception>
    public static void DemandHeld(RegistryParts parts, ILease lease, FleetBond bond)
    {
        if (!bond.IsHeld)
        {
            parts.Counted(new PortRefusal(
                PortRefusalReason.LeaseEnded,
                () => string.Create(CultureInfo.InvariantCulture, $"This host lost {lease.Owner} in the fleet, which it held by epoch {bond.Epoch}. Start no worker for it; acquire again."),
                lease.Owner, lease.Port, lease.Protocol)).Throw();
        }
    }

    private static async Task<FleetBond> ClaimAsync(RegistryParts parts, FleetBonds? fleet, PortRequest request, (int At, int Count) place)
    {
        try
        {
            PortRefusal? refusal = Acquisition.Check(parts, request, out _)
                ?? (fleet is null ? NoFleet(request) : null)
                ?? await LookAsync(parts, request).ConfigureAwait(false);
            refusal?.Throw();
            return await fleet!.ClaimAsync(request.Owner).ConfigureAwait(false);
        }
        catch (PortRefusedException exception)
        {
            parts.Metrics.Refused(exception.Refusal.Reason);
            if (place.Count > 1)
            {
                exception.Refusal.Of(place.At, place.Count).Throw();
            }

            throw;
        }
    }

    /// <summary>What stands in the way here. Ends a registration whose process is dead, and with it
    /// the claim that this host holds for it.</summary>
    private static async Task<PortRefusal?> LookAsync(RegistryParts parts, PortRequest request)
    {
        parts.LoseIfOver(request.Owner);
        PortProtocol[] protocols = request.Protocol == PortProtocol.TcpAndUdp ? [PortProtocol.Tcp, PortProtocol.Udp] : [request.Protocol];
        foreach (PortProtocol protocol in protocols)
        {
            OwnerKey owner = parts.Table.Key(protocol, request.Owner);
            OwnerView has = await Inspection.RunAsync(parts, owner).ConfigureAwait(false);
            if (SessionHolder.Of(has.Served) is { } session)
            {
                if (session.CheckAlive())
                {
                    return Refusals.AlreadyServed(request.Owner, parts.Entries.Of(has.Served));
                }

                parts.Table.TryEnd(has.Served, session.EndCause, parts.NowMs);
            }

            if (!has.Lease.IsNone)
            {
                return Refusals.AlreadyReserved(request.Owner, has.Lease, parts);
            }
        }

        return null;
    }

    private static PortRefusal NoFleet(PortRequest request) => new(
        PortRefusalReason.NoFleet,
        () => $"'{request.Owner}' is to be held once in the fleet (Scope is {PortScope.Fleet}), and this registry is joined to none. Add one to the host, such as AddPortmapFleet of Portmap.Etcd, or ask with {PortScope.Host}.",
        request.Owner, 0, request.Protocol);
}
