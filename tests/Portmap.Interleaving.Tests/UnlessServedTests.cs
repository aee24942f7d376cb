using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>An acquisition for who is not served yet, and a process that signs in while it is under
/// way.</summary>
public sealed class UnlessServedTests : IDisposable
{
    public void Dispose() => Hook.Reached = null;

    [Theory]
    [InlineData(nameof(Step.DrawEpoch))]
    [InlineData(nameof(Step.PlaceGuard))]
    public void TryAcquire_OwnerIsServedFromSomeMomentOn_IsAlreadyServedAndStartsNobodyTwice(string at)
    {
        using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false });
        PortSession session = registry.OpenSession(Environment.ProcessId);
        Step step = Enum.Parse<Step>(at);
        bool isServed = false;
        Hook.Reached = reached =>
        {
            if (reached == step && !isServed)
            {
                isServed = true;
                session.TryRegister(new PortClaimRequest("a", 40_000), out _, out PortRefusal? wrong).Should().BeTrue(wrong?.Message);
            }
        };

        bool granted = registry.TryAcquire(new PortRequest("a") { UnlessServed = true }, out _, out PortRefusal? refusal);

        Hook.Reached = null;
        isServed.Should().BeTrue();
        granted.Should().BeFalse();
        refusal!.Reason.Should().Be(PortRefusalReason.AlreadyServed);
        refusal.Entry!.Value.Port.Should().Be(40_000);
    }
}
