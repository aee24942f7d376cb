namespace Portmap.Guarding;

/// <summary>Asks nobody: <see cref="PortRegistryOptions.Probe"/> is off.</summary>
internal sealed class NoGuard : IPortGuard
{
    public GuardOutcome Place(PortProtocol protocol, int port, bool insisted) => new(GuardFinding.Free, PortGuarantee.LedgerOnly);
}
