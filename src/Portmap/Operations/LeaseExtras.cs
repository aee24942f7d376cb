using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What few leases need beside their claim: an acquisition may cost 200 bytes beyond the
/// name.</summary>
/// <remarks>Never changed: a lease that needs other ones replaces it whole, by a CAS of its
/// field.</remarks>
internal sealed record LeaseExtras
{
    private static readonly LeaseExtras s_nothing = new();

    /// <summary>The claim of the second protocol, or null.</summary>
    public PortClaim? Twin { get; init; }

    /// <summary>What could not be bound, in order.</summary>
    public (int Port, long Epoch)[] Tried { get; init; } = [];

    /// <summary>The session that acquired it; null is the host.</summary>
    public SessionHolder? Acquirer { get; init; }

    /// <summary>Whom it is for.</summary>
    public uint? UserId { get; init; }

    /// <summary>The ranges it is to lie in; null is any that are handed out.</summary>
    public string? Ports { get; init; }

    /// <summary>Those of a lease that is about to be acquired; null when it needs none.</summary>
    public static LeaseExtras? Of(in PortRequest request, SessionHolder? acquirer) =>
        acquirer is null && request.UserId is null && request.Ports is null
            ? null
            : new LeaseExtras { Acquirer = acquirer, UserId = request.UserId ?? acquirer?.UserId, Ports = request.Ports };

    /// <summary>Notes the claim of the second protocol.</summary>
    public static void SetTwin(ref LeaseExtras? place, PortClaim? twin)
    {
        LeaseExtras? extras = Volatile.Read(ref place);
        while (!ReferenceEquals(extras?.Twin, twin))
        {
            Hook.At(Step.SetTwin);
            LeaseExtras? seen = Interlocked.CompareExchange(ref place, (extras ?? s_nothing) with { Twin = twin }, extras);
            extras = ReferenceEquals(seen, extras) ? Volatile.Read(ref place) : seen;
        }
    }

    /// <inheritdoc cref="ILease.AddTried"/>
    public static void AddTried(ref LeaseExtras? place, int port, long epoch)
    {
        LeaseExtras? extras = Volatile.Read(ref place);
        while (epoch == 0 || extras is null || !Array.Exists(extras.Tried, tried => tried.Epoch == epoch))
        {
            Hook.At(Step.AddTried);
            LeaseExtras? seen = Interlocked.CompareExchange(ref place, (extras ?? s_nothing) with { Tried = [.. extras?.Tried ?? [], (port, epoch)] }, extras);
            if (ReferenceEquals(seen, extras))
            {
                return;
            }

            extras = seen;
        }
    }
}
