using Portmap.Diagnostics;
using Portmap.Operations;
using Portmap.Table;

namespace Portmap;

// What a lease is now: the claim of its (first) protocol, which is the open lease or the
// registration that used it up, and what came of it (LeaseOutcome). Kept small on purpose: an
// acquisition may cost 200 bytes beyond the name, so what few leases need lies in _more.
public sealed partial class PortLease : ILease
{
    private PortClaim? _claim;
    private LeaseOutcome _outcome;
    private LeaseExtras? _more;
    private byte _announced;   // an Announcement; takes no room beside the bytes of what was asked for

    /// <summary>
    /// Completes with the entry when a process has registered (of both protocols, if both were
    /// asked for).
    /// </summary>
    /// <value>
    /// Faults with a <see cref="PortRefusedException"/> when the lease ends before that: Taken,
    /// with the winner; LeaseEnded for a timeout or a release; AttemptsExhausted. When its port could
    /// not be bound, with why no other was found: Foreign for a port that was required, Exhausted, or
    /// any other reason of an acquisition.
    /// </value>
    public Task<PortEntry> WhenBound => _outcome.WhenBound(this, _registry.Parts);

    /// <summary>
    /// Is cancelled when the lease ends before a process has registered, which is when
    /// <see cref="WhenBound"/> faults: for a host that stops the program then.
    /// </summary>
    /// <value>
    /// So it is when the lease has timed out, was released by whoever may, was lost to another
    /// owner's process that listens on its port, could not be bound
    /// <see cref="PortRegistryOptions.BindAttempts"/> times or was given no other port, or when the registry is disposed. A
    /// lease that a process has used up never cancels it, also when that process ends; but one of
    /// <see cref="PortScope.Fleet"/> does when this host loses the owner, also then. Costs nothing
    /// until it is asked for; what is registered with it runs on the thread pool.
    /// </value>
    public CancellationToken Ended => LeaseExtras.EndToken(ref _more, WhenBound);

    /// <summary>
    /// The fencing epoch of the owner in the fleet, for a lease of <see cref="PortScope.Fleet"/>;
    /// null otherwise.
    /// </summary>
    /// <value>
    /// Above 0, and higher for each later holder, on whichever host. It tells nothing beside
    /// <see cref="Epoch"/>, which orders the claims of this host only.
    /// </value>
    public long? FleetEpoch => Bond?.Epoch;

    internal PortClaim Claim => Volatile.Read(ref _claim)!;

    private FleetBond? Bond => Volatile.Read(ref _more)?.Bond;

    /// <summary>Its way to its process, where somebody follows it.</summary>
    internal LeaseTrace? Trace => Volatile.Read(ref _more)?.Trace;

    /// <summary>The claim of the second protocol, or null.</summary>
    internal PortClaim? Twin => Volatile.Read(ref _more)?.Twin;

    internal bool IsOpen => _outcome.IsOpen(this);

    /// <summary>
    /// Called before the claims are published; they are what <see cref="Port"/> and
    /// <see cref="Epoch"/> say from now on.
    /// </summary>
    internal void Grant(PortClaim claim, PortClaim? twin)
    {
        Trace?.Granted(claim.Port, claim.Epoch, _registry.Parts.Strategies.NameOf(claim.Strategy));
        if (twin is not null)
        {
            LeaseExtras.SetTwin(ref _more, twin);
        }

        Hook.At(Step.GrantLease);
        Volatile.Write(ref _claim, claim);
    }

    // Two at once leave one of both, and a message that guesses by it.
    private void Announce(Announcement announcement) =>
        Volatile.Write(ref _announced, Math.Max(Volatile.Read(ref _announced), (byte)announcement));

    internal void SetOutcome(object outcome) => _outcome.Set(this, _registry.Parts, outcome);

    PortClaim ILease.Claim => Claim;
    PortClaim? ILease.Twin => Twin;
    ref LeaseExtras? ILease.Extras => ref _more;
    Announcement ILease.Announced => (Announcement)Volatile.Read(ref _announced);
    bool ILease.IsOpen => IsOpen;
    PortRequest ILease.Request => Request;
    void ILease.Announce(Announcement announcement) => Announce(announcement);
    void ILease.Grant(PortClaim claim, PortClaim? twin) => Grant(claim, twin);

    void ILease.OnHealed(PortClaim failed, PortClaim claim)
    {
        if (Twin?.Protocol == claim.Protocol)
        {
            LeaseExtras.HealTwin(ref _more, claim);
            return;
        }

        Hook.At(Step.HealLease);
        PortClaim present = Claim;
        while (present.IsHealedBy(claim))
        {
            PortClaim seen = Interlocked.CompareExchange(ref _claim, claim, present)!;   // publishes the new claim; fails when somebody told of it, or of its registration, before
            if (ReferenceEquals(seen, present))
            {
                Trace?.Healed(failed.Port, claim.Port);   // once: who asked and who made it take effect both come here
                return;
            }

            present = seen;
        }
    }

    void ILease.OnRegistered(PortClaim registration)
    {
        if (Twin is { } twin && twin.Protocol == registration.Protocol)
        {
            LeaseExtras.SetTwin(ref _more, registration);
        }
        else
        {
            Hook.At(Step.RegisterLease);
            Volatile.Write(ref _claim, registration);
        }

        if (!Claim.IsLease && Twin is not { IsLease: true })
        {
            SetOutcome(Claim);
        }
    }

    void ILease.SetOutcome(PortRefusal refusal) => SetOutcome(refusal);
    void ILease.SetOutcome(PortClaim ended) => _outcome.End(this, _registry.Parts, ended);
}
