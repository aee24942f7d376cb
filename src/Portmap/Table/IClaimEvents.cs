namespace Portmap.Table;

/// <summary>Told of what took effect, after it did, once each, by the thread whose CAS it was. Must
/// not block, and nothing a host has a hand in may throw out of it.</summary>
internal interface IClaimEvents
{
    /// <param name="claim">The lease or registration.</param>
    /// <param name="used">The claim that it used up; none if there was none.</param>
    void TookEffect(ClaimView claim, ClaimView used);

    /// <param name="claim">The lease or registration, with its cause.</param>
    /// <param name="winner">The claim that took its place, or none.</param>
    /// <param name="now">The time.</param>
    void Ended(ClaimView claim, ClaimView winner, long now);

    /// <summary>A pending acquisition is withdrawn: nobody outside saw it. Told before its port is
    /// free; may come twice.</summary>
    void Withdrew(ClaimView claim);

    /// <summary>A stranger's port was marked as that.</summary>
    void FoundForeign(ClaimView marker);
}
