using System.Runtime.CompilerServices;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>The lease that a user holds, as the operations see it. Safe for any thread.</summary>
internal interface ILease
{
    /// <summary>The lease of a claim; null for a registration, or none. Nothing else is ever a
    /// claim's lease.</summary>
    static ILease? Of(ClaimView claim) => Unsafe.As<ILease?>(claim.Lease);

    string Owner { get; }

    PortProtocol Protocol { get; }

    int Port { get; }

    long Epoch { get; }

    /// <summary>What was asked for.</summary>
    PortRequest Request { get; }

    /// <summary>The ranges it is to lie in; null is any that are handed out.</summary>
    string? Ports => Volatile.Read(ref Extras)?.Ports;

    /// <summary>The claim of its (first) protocol: the open lease, or the registration that used it
    /// up.</summary>
    PortClaim Claim { get; }

    /// <summary>The claim of the second protocol, or null.</summary>
    PortClaim? Twin { get; }

    /// <summary>What few leases need; null when it needs none.</summary>
    ref LeaseExtras? Extras { get; }

    /// <summary>The session that acquired it; null is the host.</summary>
    SessionHolder? Acquirer => Volatile.Read(ref Extras)?.Acquirer;

    /// <summary>Whom it is for beside root and the daemon's user; null when nobody else or not
    /// known.</summary>
    uint? UserId => Volatile.Read(ref Extras)?.UserId;

    /// <summary>The host acquired it, or somebody who may speak for the host.</summary>
    bool IsOfHost => Acquirer is null or { IsTrusted: true };

    /// <summary>The ports that could not be bound, in order.</summary>
    IReadOnlyList<int> TriedPorts => [.. (Volatile.Read(ref Extras)?.Tried ?? []).Select(tried => tried.Port)];

    /// <summary>Nothing has come of it yet.</summary>
    bool IsOpen { get; }

    /// <summary>Whether this failure was reported before. Who reports it again, because the answer
    /// was lost, is told what the first report got.</summary>
    /// <param name="port">The port that could not be bound.</param>
    /// <param name="epoch">The epoch that was reported with it; 0 when none was, whatever the claim
    /// had.</param>
    bool HasTried(int port, long epoch) => Array.Exists(Volatile.Read(ref Extras)?.Tried ?? [], tried => tried.Port == port && (epoch == 0 || tried.Epoch == epoch));

    /// <summary>Counts one failure to bind. Two who report the same claim count once; a port that
    /// was given again, and could not be bound again, counts again.</summary>
    /// <param name="port">The port; 0 when it is not known.</param>
    /// <param name="epoch">The epoch of the claim that failed; 0 when nobody acquired.</param>
    void AddTried(int port, long epoch) => LeaseExtras.AddTried(ref Extras, port, epoch);

    /// <summary>How far it was announced to its process.</summary>
    Announcement Announced { get; }

    /// <summary>Notes that it was announced. What was noted before and says more stays.</summary>
    void Announce(Announcement announcement);

    /// <summary>Called before the claims are published; they are what it says from now
    /// on.</summary>
    void Grant(PortClaim claim, PortClaim? twin);

    /// <summary>Called once by the thread that made another port's claim take effect in place of
    /// one that could not be bound.</summary>
    void OnHealed(PortClaim failed, PortClaim claim);

    /// <summary>Called once per protocol by the thread that made a registration of this lease take
    /// effect.</summary>
    void OnRegistered(PortClaim registration);

    /// <summary>What came of it; the first one counts.</summary>
    /// <param name="refusal">Why it is over.</param>
    void SetOutcome(PortRefusal refusal);

    /// <inheritdoc cref="SetOutcome(PortRefusal)"/>
    /// <param name="ended">The claim that has ended, which tells why; its refusal is made when
    /// somebody asks.</param>
    void SetOutcome(PortClaim ended);
}
