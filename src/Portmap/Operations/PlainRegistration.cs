using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The registration that most are, in one line: without a store and without an epoch, for
/// an owner that has nothing, on a port that nobody keeps; and the release of such a one.</summary>
/// <remarks>Step for step what <see cref="Registration"/> and <see cref="Release"/> do. Where
/// anything is otherwise they answer false, nothing that anybody could see has happened, and those
/// begin from the start.</remarks>
internal static class PlainRegistration
{
    /// <summary>Whether a registration is plain and right, as far as it says so itself and but for its
    /// name. Looks at the process.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="session">Who says it.</param>
    /// <param name="request">What it says.</param>
    /// <param name="now">The time.</param>
    public static bool Fits(RegistryParts parts, SessionHolder session, in PortClaimRequest request, long now)
    {
        parts.ThrowIfDisposed();
        return parts.Journal is null
            && request.Epoch is null or 0
            && request.Port is >= 1 and <= 65_535
            && request.Protocol is PortProtocol.Tcp or PortProtocol.Udp
            && session.IsConnected
            && session.CheckAliveToRegister(now);
    }

    /// <summary>Registers.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="session">Who says it.</param>
    /// <param name="request">What it says; fits.</param>
    /// <param name="now">The time.</param>
    /// <param name="registered">The claim that stands.</param>
    public static bool TryRegister(RegistryParts parts, SessionHolder session, in PortClaimRequest request, long now, out ClaimView registered)
    {
        registered = default;
        PortTable table = parts.Table;
        OwnerKey owner = table.Key(request.Protocol, request.Owner);
        int port = request.Port ?? 0;
        if (!table.HasNothing(owner, out OwnerPlace place, out long epoch)
            || (place.IsNew && OwnerName.Complaint(owner.Owner) is not null)   // one that has a cell was looked at for it
            || (parts.AsksTheKernel && TakesSomething(parts, owner, port)))
        {
            return false;
        }

        NewClaim wanted = new(owner.Protocol, port, parts.Epochs.Next(Math.Max(epoch, table.Ports.HighestEpoch(owner.Protocol, port))), session);
        if (table.TryPush(place, owner, wanted, isIdle: true, out PortClaim claim) != Publication.Done)
        {
            return false;
        }

        registered = table.FinishRegistration(claim, now);
        if (!registered.WasBound)
        {
            return false;   // it was refused for its port
        }

        if (session.IsOver)
        {
            table.TryEnd(registered, session.EndCause, now);   // it died meanwhile, and the sweep may have passed before this took effect
        }

        return true;
    }

    /// <summary>Releases what a session registered.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="caller">The session.</param>
    /// <param name="request">The claim; not checked: what cannot be is not found.</param>
    public static bool TryRelease(RegistryParts parts, SessionHolder caller, in PortClaimRequest request) =>
        parts.Journal is null
        && request.Epoch is null or 0
        && caller.IsConnected
        && parts.Table.TryRelease(parts.Table.Key(request.Protocol, request.Owner), request.Port ?? 0, caller, parts.NowMs);

    private static bool TakesSomething(RegistryParts parts, OwnerKey owner, int port) =>
        parts.Guard.KeepsOut(owner.Protocol, port, epoch: 0, out _) || parts.Table.Ports.IsForeignOrReserved(owner.Protocol, port, owner.Owner);
}
