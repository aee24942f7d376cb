namespace Portmap.Table;

/// <summary>Told of what took effect, after it did, once each, by the thread whose CAS it was. Must not block.</summary>
internal interface IClaimEvents
{
    void TookEffect(PortClaim claim);

    void Ended(PortClaim claim, ClaimEnd cause);

    void FoundForeign(PortClaim marker);
}
