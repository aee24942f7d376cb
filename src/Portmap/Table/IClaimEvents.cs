namespace Portmap.Table;

/// <summary>Told of what took effect, after it did, once each, by the thread whose CAS it was. Must not block, and nothing a host has a hand in may throw
/// out of it: its logger and its listeners are contained (ContainedLogger, PortmapMetrics).</summary>
internal interface IClaimEvents
{
    void TookEffect(PortClaim claim);

    /// <param name="claim">The lease or registration.</param>
    /// <param name="cause">Why.</param>
    /// <param name="winner">The claim that took its place, or null.</param>
    /// <param name="now">The time.</param>
    void Ended(PortClaim claim, ClaimEnd cause, PortClaim? winner, long now);

    /// <summary>A pending acquisition is withdrawn: nobody outside saw it. Told before its port is free; may come twice.</summary>
    void Withdrew(PortClaim claim);

    void FoundForeign(PortClaim marker);
}
