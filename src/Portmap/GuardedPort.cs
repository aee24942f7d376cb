namespace Portmap;

/// <summary>
/// A port as its guard knows it: which claim it is held for, and where to write how strongly.
/// </summary>
/// <param name="Protocol">TCP or UDP.</param>
/// <param name="Port">The port.</param>
/// <param name="Epoch">
/// The epoch: a lease and the registration that uses it up have the same.
/// </param>
/// <param name="IsLease">The claim is a lease, whose process does not listen yet.</param>
/// <param name="Claim">
/// What the guarantee is written on. It also tells the claim from any other.
/// </param>
internal readonly record struct GuardedPort(
    PortProtocol Protocol, int Port, long Epoch, bool IsLease, IGuaranteed Claim);

/// <summary>Something that says how strongly its port is held.</summary>
internal interface IGuaranteed
{
    /// <summary>How strongly the port is held.</summary>
    /// <remarks>
    /// Once the port is guarded it is written only by who is at its placeholder.
    /// It never says more than is true at that moment.
    /// Says nothing once the claim has ended.
    /// </remarks>
    PortGuarantee Guarantee { get; set; }

    /// <summary>Whose it is; null of a lease that is pending still.</summary>
    string? Owner { get; }

    /// <summary>The claim has ended, or a registration has used it up.</summary>
    bool IsOver { get; }
}
