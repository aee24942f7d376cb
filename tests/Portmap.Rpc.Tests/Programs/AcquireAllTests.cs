using System.Globalization;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Protocol;
using Portmap.Tests.Support;

namespace Portmap.Rpc.Tests.Programs;

/// <summary>Several ports in one call: the leases in their order, or one refusal that names the
/// request; nothing in between, and no way past a limit.</summary>
public class AcquireAllTests
{
    private static readonly PortRequest[] s_row = [Picked("a"), Picked("b"), Picked("c") with { Protocol = PortProtocol.TcpAndUdp }];

    [Fact]
    public async Task AcquireAll_InARow_GivesLeasesThatTheCallerMayUse()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();

        IReadOnlyList<PortEntry> leases = await client.AcquireAllAsync(s_row, contiguous: true).Within();

        leases.Select(lease => (lease.Owner, lease.Protocol, lease.State)).Should().Equal(s_row.Select(request => (request.Owner, request.Protocol, PortState.Reserved)));
        leases.Select(lease => lease.Port).Should().Equal(Enumerable.Range(leases[0].Port, 3));
        await client.ReleaseAsync(new PortClaimRequest("a") { Epoch = leases[0].Epoch }).Within();
        harness.Registry.TryGetEntry("a", out _).Should().BeFalse();
        harness.Registry.TryGetEntry("b", out _).Should().BeTrue();
    }

    [Fact]
    public async Task AcquireAll_OneIsRefused_NamesItAndLeavesNothing()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortEntry held = await client.AcquireAsync(Picked("b")).Within();

        PortRefusal refusal = await client.AcquireAllAsync(s_row).RefusalAsync();

        refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.AlreadyReserved, Request = 1, Owner = "b", HolderEpoch = held.Epoch });
        refusal.Message.Should().Contain("Request 2 of 3");
        harness.Registry.Snapshot().Entries.Should().ContainSingle();
        (await client.AcquireAllAsync([Picked("a"), new("x") { Strategy = PortRegistryOptions.ProcessBinds }], contiguous: true).RefusalAsync())
            .Should().BeEquivalentTo(new { Reason = PortRefusalReason.NeedsNumbers, Request = 1 });
    }

    [Fact]
    public async Task AcquireAll_PastTheOwnersOfAConnection_IsRefusedWholeAndCountsNothing()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerSession = 3 });
        await using PortmapClient client = harness.OpenClient();

        PortRefusal refusal = await client.AcquireAllAsync(s_row).RefusalAsync();

        refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.TooManyOwners, Request = 2, Owner = "c" }, "both halves of c count");
        harness.Registry.Snapshot().Entries.Should().BeEmpty();
        (await client.AcquireAllAsync(s_row[..2]).Within()).Should().HaveCount(2, "the refused ones are not counted");
    }

    [Fact]
    public async Task AcquireAll_PastThePortsOfAUser_IsRefusedWhole()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxPortsPerUser = 4 });
        await using PortmapClient client = harness.OpenClient(SomeUser);

        PortRefusal refusal = await client.AcquireAllAsync([.. Enumerable.Range(0, 5).Select(i => Picked(i.ToString(CultureInfo.InvariantCulture)))]).RefusalAsync();

        refusal.Should().BeEquivalentTo(new { Reason = PortRefusalReason.TooManyOwners, Request = 4 });
        harness.Registry.Snapshot().Entries.Should().BeEmpty();
        (await client.AcquireAllAsync([.. Enumerable.Range(0, 4).Select(i => Picked(i.ToString(CultureInfo.InvariantCulture)))]).Within()).Should().HaveCount(4);
    }

    [Fact]
    public async Task AcquireAll_MoreThanAnAnswerHolds_IsRefusedBeforeAnythingIsTaken()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxRecordBytes = 16_384 });
        await using PortmapClient client = harness.OpenClient();

        PortRefusal refusal = await client.AcquireAllAsync([.. Enumerable.Range(0, 15).Select(i => Picked(new string('x', 600) + i))]).RefusalAsync();

        refusal.Reason.Should().Be(PortRefusalReason.LimitReached);
        refusal.Message.Should().Contain("MaxRecordBytes");
        harness.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task AcquireAll_TooManyRequests_IsRefusedByTheClientAndGarbageToTheServer()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortRequest[] many = [.. Enumerable.Range(0, 257).Select(i => Picked(i.ToString(CultureInfo.InvariantCulture)))];

        (await client.AcquireAllAsync(many).RefusalAsync()).Reason.Should().Be(PortRefusalReason.LimitReached);
        byte[] answer = await harness.Open().ExchangeAsync(Wire.Call(1, PortmapProcedure.Program, PortmapProcedure.AcquireAll, Wire.Words(257)));
        answer.Should().Equal(Wire.Reply(1, (uint)AcceptStatus.GarbageArguments));
    }

    [Fact]
    public async Task AcquireAll_AGuardOfItsOwn_IsMisuse()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        Action act = () => _ = client.AcquireAllAsync(["a", new("b") { Guard = PortGuardMode.None }]);
        act.Should().Throw<ArgumentException>();
    }

    /// <summary>A user that is neither root nor the daemon's.</summary>
    private static Peer SomeUser => new("unix peer", Environment.ProcessId, Sight: null)
    {
        Trust = new Trust(new PortmapServerOptions { AllowedUserIds = { 65_533 } }),
        IsUnix = true,
        UserId = 65_533,
    };

    private static PortRequest Picked(string owner) => new(owner) { Strategy = PortRegistryOptions.AllocatorPicks };
}
