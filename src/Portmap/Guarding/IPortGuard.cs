namespace Portmap.Guarding;

/// <summary>What stands between "the registry picked a port" and "the process listens on it".</summary>
internal interface IPortGuard
{
    /// <summary>Asks for a port, which nobody of ours uses, and holds it as well as this guard can.</summary>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="port">The port.</param>
    /// <param name="insisted">No other number will do, so what is left of closed connections (TIME_WAIT) is no obstacle.</param>
    GuardOutcome Place(PortProtocol protocol, int port, bool insisted);
}

/// <summary>What came of <see cref="IPortGuard.Place"/>.</summary>
/// <param name="Finding">What the operating system said.</param>
/// <param name="Guarantee">How strongly the port is held now.</param>
internal readonly record struct GuardOutcome(GuardFinding Finding, PortGuarantee Guarantee);

internal enum GuardFinding
{
    Free,

    /// <summary>Nobody listens, but closed connections linger or a silent socket is bound: good only when insisted on.</summary>
    Lingering,

    /// <summary>A stranger has it.</summary>
    InUse,
}
