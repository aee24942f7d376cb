namespace Portmap.Guarding;

/// <summary>
/// Asks who has a port in a host that is made up; nothing can be held there.
/// </summary>
internal sealed class SimulatedGuard(SimulatedHost host) : IPortGuard
{
    public GuardOutcome Place(in GuardedPort lease, string owner, PortGuardMode mode, bool insisted) =>
        new(IsTaken(lease.Protocol, lease.Port) ? GuardFinding.InUse : GuardFinding.Free, PortGuarantee.ProbedOnly);

    public bool IsTaken(PortProtocol protocol, int port) => host.Sockets(protocol, port).Any();

    public string? WhyUnavailable() => "The host is simulated (SimulateHost), so no port is held in the kernel";

    public void Dispose()
    {
    }
}
