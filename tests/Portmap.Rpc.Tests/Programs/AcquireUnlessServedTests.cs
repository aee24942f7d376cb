using Portmap.Tests.Support;

namespace Portmap.Rpc.Tests.Programs;

/// <summary>A supervisor in another process than the daemon starts what does not run, and nothing
/// twice.</summary>
public class AcquireUnlessServedTests
{
    private static readonly PortRequest s_request = new("b1") { UnlessServed = true };

    [Fact]
    public async Task Acquire_NobodyServesIt_GivesALease()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();

        PortEntry lease = await client.AcquireAsync(s_request).Within();

        lease.Should().BeEquivalentTo(new { Owner = "b1", State = PortState.Reserved });
    }

    [Fact]
    public async Task Acquire_ALivingProcessServesIt_IsRefusedWithItsEntry()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await using PortSession here = harness.Registry.OpenSession(Environment.ProcessId);
        PortEntry served = await here.RegisterAsync(new PortClaimRequest("b1", 49_200)).AsTask().Within();

        PortRefusal refusal = await client.AcquireAsync(s_request).RefusalAsync();

        refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.AlreadyServed, Owner = "b1", Port = 49_200, Holder = "b1", HolderProcessId = Environment.ProcessId, HolderEpoch = served.Epoch });
        refusal.Entry.Should().BeEquivalentTo(new { Port = 49_200, State = PortState.Bound, ProcessId = Environment.ProcessId, served.Epoch });
        refusal.Message.Should().Contain("49200").And.Contain("UnlessServed");
        harness.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        entry.State.Should().Be(PortState.Bound, "nothing was acquired");
    }

    [Fact]
    public async Task Acquire_NotUnlessServed_StillGivesALease()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await using PortSession here = harness.Registry.OpenSession(Environment.ProcessId);
        await here.RegisterAsync(new PortClaimRequest("b1", 49_200)).AsTask().Within();

        (await client.AcquireAsync("b1").Within()).State.Should().Be(PortState.Reserved);
    }

    [Fact]
    public async Task Acquire_AnotherHasItReserved_IsRefusedAsEver()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await client.AcquireAsync(s_request).Within();

        (await client.AcquireAsync(s_request).RefusalAsync()).Reason.Should().Be(PortRefusalReason.AlreadyReserved);
    }

    [Fact]
    public async Task AcquireAll_UnlessServed_IsMisuse()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();

        Action all = () => _ = client.AcquireAllAsync([s_request]);

        all.Should().Throw<ArgumentException>().WithMessage("*AcquireAsync*");
    }
}
