using Portmap.Diagnostics;
using Portmap.Table;

namespace Portmap.Operations;

/// <summary>What few leases need beside their claim: an acquisition may cost 200 bytes beyond the
/// name.</summary>
/// <remarks>Never changed: a lease that needs other ones replaces it whole, by a CAS of its
/// field.</remarks>
internal sealed record LeaseExtras
{
    public static readonly LeaseExtras Nothing = new();

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

    /// <summary>How long it waits for its process; 0 is as long as the options say.</summary>
    public long TimeoutMs { get; init; }

    /// <summary>What it was extended to, by the registry's clock; 0 when it was not.</summary>
    public long ExtendedToMs { get; init; }

    /// <summary>The claim whose time is over (<see cref="LeaseTimes"/>), or null.</summary>
    public PortClaim? ClosedFor { get; init; }

    /// <summary>The name that a start was told of it by; null when by none.</summary>
    public string? StartName { get; init; }

    /// <summary>Its owner's claim in the fleet; null for one of this host only.</summary>
    public FleetBond? Bond { get; init; }

    /// <summary>Tells that the lease ended unused; null until somebody asks.</summary>
    public CancellationTokenSource? End { get; init; }

    /// <summary>Its way from the acquisition to its process, where somebody follows it.</summary>
    public LeaseTrace? Trace { get; init; }

    /// <summary>Those of a lease that is about to be acquired; null when it needs none.</summary>
    public static LeaseExtras? Of(in PortRequest request, SessionHolder? acquirer) =>
        acquirer is null && request.UserId is null && request.Ports is null && !request.HasLeaseTimeout && !LeaseTrace.IsWanted
            ? null
            : new LeaseExtras
            {
                Acquirer = acquirer,
                UserId = request.UserId ?? acquirer?.UserId,
                Ports = request.Ports,
                TimeoutMs = (long)(request.LeaseTimeout?.TotalMilliseconds ?? 0),
                Trace = LeaseTrace.Begin(request.Owner, request.Protocol),
            };

    /// <summary>The token that is cancelled when a lease ends unused.</summary>
    /// <param name="place">Where the extras are.</param>
    /// <param name="bound">Faults then.</param>
    public static CancellationToken EndToken(ref LeaseExtras? place, Task bound)
    {
        LeaseExtras? extras = Volatile.Read(ref place);
        while (extras?.End is null)
        {
            CancellationTokenSource made = new();   // without a timer: nothing to dispose of
            LeaseExtras? seen = Interlocked.CompareExchange(ref place, (extras ?? Nothing) with { End = made }, extras);
            if (ReferenceEquals(seen, extras))
            {
                // What the host runs by the token runs on the pool, and what it throws ends there.
                _ = bound.IsFaulted ? made.CancelAsync() : bound.ContinueWith(
                    static (_, end) => ((CancellationTokenSource)end!).CancelAsync(),
                    made,
                    CancellationToken.None,
                    TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                    TaskScheduler.Default);
                extras?.Bond?.Lost.UnsafeRegister(static end => _ = ((CancellationTokenSource)end!).CancelAsync(), made);
                return made.Token;
            }

            extras = seen;
        }

        return extras.End.Token;
    }

    /// <summary>Notes the claim of the second protocol.</summary>
    public static void SetTwin(ref LeaseExtras? place, PortClaim? twin) =>
        Change(ref place, twin, static (extras, twin) => ReferenceEquals(extras.Twin, twin) ? null : extras with { Twin = twin });

    /// <summary>Notes the claim by which that of the second protocol goes on, unless that is
    /// registered, or has gone on further.</summary>
    public static void HealTwin(ref LeaseExtras? place, PortClaim twin) =>
        Change(ref place, twin, static (extras, twin) => extras.Twin?.IsHealedBy(twin) == true ? extras with { Twin = twin } : null);

    /// <summary>Notes the claim in the fleet, before anybody has the lease.</summary>
    public static void SetBond(ref LeaseExtras? place, FleetBond bond) =>
        Change(ref place, bond, static (extras, bond) => ReferenceEquals(extras.Bond, bond) ? null : extras with { Bond = bond });

    /// <summary>Notes the ranges of a lease that came back without them from the store.</summary>
    public static void SetPorts(ref LeaseExtras? place, string ports) =>
        Change(ref place, ports, static (extras, ports) => extras.Ports is null ? extras with { Ports = ports } : null);

    /// <summary>Notes the name that a start was told of the lease by.</summary>
    public static void SetStartName(ref LeaseExtras? place, string? name) =>
        Change(ref place, name, static (extras, name) => extras.StartName != name ? extras with { StartName = name } : null);

    /// <inheritdoc cref="ILease.AddTried"/>
    public static void AddTried(ref LeaseExtras? place, int port, long epoch) => Change(
        ref place,
        (port, epoch),
        static (extras, failed) => failed.epoch != 0 && Array.Exists(extras.Tried, tried => tried.Epoch == failed.epoch)
            ? null
            : extras with { Tried = [.. extras.Tried, failed] });

    /// <summary>Replaces the extras of a lease by changed ones; a change of null says that there is
    /// nothing to do any more.</summary>
    private static void Change<T>(ref LeaseExtras? place, T value, Func<LeaseExtras, T, LeaseExtras?> change)
    {
        LeaseExtras? extras = Volatile.Read(ref place);
        while (change(extras ?? Nothing, value) is { } changed)
        {
            Hook.At(Step.ChangeExtras);
            LeaseExtras? seen = Interlocked.CompareExchange(ref place, changed, extras);   // publishes them; fails when somebody changed them since
            if (ReferenceEquals(seen, extras))
            {
                return;
            }

            extras = seen;
        }
    }
}
