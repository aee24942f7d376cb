using Portmap.Table;

namespace Portmap.Operations;

/// <summary>Who may speak for what an owner has: "only the owner speaks for itself".</summary>
/// <remarks>
/// <para>An epoch says which claim is meant. It gives no right, because lookups publish it.</para>
/// <list type="table">
/// <item><term>own</term><description>The process or session of the claim, or the session that
/// acquired it. It may leave the epoch out.</description></item>
/// <item><term>speaks for</term><description>Own; or the caller's user is root, the daemon's or
/// that of the claim; or the claim's process is dead. A caller that does not own a claim of a
/// living process has to name it by its epoch: a program that is started twice by hand must not end
/// the first one's.</description></item>
/// </list>
/// <para>The host speaks through its lease objects and through sessions of its own, which may
/// everything.</para>
/// Progress: wait-free, but for one look at a process.
/// </remarks>
internal static class OwnerRights
{
    /// <summary>Whether the caller's own session or process has the claim, or its session acquired
    /// it.</summary>
    public static bool IsOwn(SessionHolder caller, ClaimView claim) =>
        claim.Holder?.IsSameProcess(caller) == true || caller.HasAcquired(claim);

    /// <summary>Whether the caller may change a claim that it names by its epoch.</summary>
    public static bool SpeaksFor(SessionHolder caller, ClaimView claim) =>
        caller.IsTrusted
        || (caller.UserId is { } user && user == UserOf(claim))
        || IsOwn(caller, claim)
        || (SessionHolder.Of(claim) is { } session ? !session.CheckAlive() : caller.IsVouchedFor && ILease.Of(claim) is { IsOfHost: true, UserId: null });

    /// <summary>Whether the caller may end what the owner has without naming it by its
    /// epoch.</summary>
    public static bool MayEndUnnamed(SessionHolder caller, ClaimView claim) =>
        caller.IsOfHost || IsOwn(caller, claim) || SessionHolder.Of(claim)?.CheckAlive() == false;

    /// <summary>Whether the caller may put a registration without an epoch, or of the same epoch,
    /// in the place of another one.</summary>
    /// <remarks>Beside the owner itself and those that come after its death, that is the owner back
    /// from a connection that broke off, where nothing is known of its process: a caller of the
    /// same user. Two users that are not known count as the same.</remarks>
    public static bool MayReplace(SessionHolder caller, ClaimView bound) =>
        Owns(caller, bound) || !SessionHolder.Of(bound)!.CheckAlive();

    /// <summary>Whether the caller is the owner of a registration: its process, or back from a
    /// connection that broke off.</summary>
    public static bool Owns(SessionHolder caller, ClaimView bound) => bound.Holder!.IsSameProcess(caller) || IsBackFor(caller, bound);

    /// <summary>What keeps the caller from using up an open lease, and replacing what the owner has
    /// by it; none when nothing does.</summary>
    /// <remarks>A lease that the host acquired says that the host wants the owner replaced, also by
    /// the owner itself. One that a session acquired gives no more than that session's right to
    /// what the owner has.</remarks>
    public static ClaimView AgainstUse(SessionHolder caller, ClaimView lease, ClaimView bound)
    {
        bool isOfHost = ILease.Of(lease)!.IsOfHost;
        if (SpeaksFor(caller, lease))
        {
            return bound.IsNone || isOfHost || SpeaksFor(caller, bound) ? default : bound;
        }

        return isOfHost && !bound.IsNone && SpeaksFor(caller, bound) ? default : lease;
    }

    /// <summary>The user of a claim: of its process, or whom a lease is for. Null when it is not
    /// known.</summary>
    public static uint? UserOf(ClaimView claim) => ILease.Of(claim) is { } lease ? lease.UserId : SessionHolder.Of(claim)?.UserId;

    private static bool IsBackFor(SessionHolder caller, ClaimView bound) =>
        SessionHolder.Of(bound) is { IsHidden: true } hidden && (caller.IsTrusted || caller.UserId == hidden.UserId);
}
