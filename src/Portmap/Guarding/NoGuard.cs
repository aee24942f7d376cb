namespace Portmap.Guarding;

/// <summary>Asks nobody: <see cref="PortRegistryOptions.Probe"/> is off.</summary>
internal sealed class NoGuard : IPortGuard
{
    public GuardOutcome Place(in GuardedPort lease, string owner, PortGuardMode mode, bool insisted) =>
        new(GuardFinding.Free, PortGuarantee.LedgerOnly);

    public string? WhyUnavailable() => "Probe is off, so the operating system is not asked about ports";

    public void Dispose()
    {
    }
}
