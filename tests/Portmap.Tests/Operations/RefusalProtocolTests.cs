using Portmap.Tests.Support;

namespace Portmap.Tests.Operations;

/// <summary>A refusal names the owner and the protocol that were asked about.</summary>
public sealed class RefusalProtocolTests
{
    private static readonly Dictionary<string, Func<PortTestWorld, PortSession, PortProtocol, Task>> s_refused = new()
    {
        ["SessionEnded of acquire"] = (_, ended, protocol) => ended.AcquireAsync(new PortRequest("b1") { Protocol = protocol }).AsTask(),
        ["SessionEnded of acquire all"] = (_, ended, protocol) => ended.AcquireAllAsync([new PortRequest("b1") { Protocol = protocol }]).AsTask(),
        ["SessionEnded of register"] = (_, ended, protocol) => ended.RegisterAsync(new PortClaimRequest("b1", 20_000) { Protocol = protocol }).AsTask(),
        ["SessionEnded of extend"] = (_, ended, protocol) => ended.ExtendAsync(new PortClaimRequest("b1") { Protocol = protocol }, TimeSpan.FromMinutes(1)).AsTask(),
        ["TooManyOwners of acquire"] = (world, _, protocol) => world.Registry.AcquireAsync(new PortRequest("b1") { Protocol = protocol }).AsTask(),
        ["TooManyOwners of acquire all"] = (world, _, protocol) => world.Registry.AcquireAllAsync([new PortRequest("b1") { Protocol = protocol }]).AsTask(),
        ["TooManyOwners of register"] = (world, _, protocol) =>
            world.StartProcess().Connect(world.Registry).RegisterAsync(new PortClaimRequest("b1", 20_000) { Protocol = protocol }).AsTask(),
    };

    public static IEnumerable<object[]> Refused { get; } =
        from what in s_refused.Keys from protocol in (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp] select new object[] { what, protocol };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Refusal_OfEachProtocol_NamesOwnerAndProtocol(string what, PortProtocol protocol)
    {
        await using PortTestWorld world = new(options => (options.Ports, options.MaxOwners) = ("20000-20009", 1));
        await world.Registry.AcquireAsync(new PortRequest("first") { Protocol = protocol });
        PortSession ended = world.StartProcess().Connect(world.Registry);
        await ended.DisposeAsync();

        PortRefusal refusal = await s_refused[what](world, ended, protocol).RefusalAsync();

        refusal.Reason.ToString().Should().Be(what.Split(' ')[0], refusal.Message);
        (refusal.Owner, refusal.Protocol).Should().Be(("b1", protocol));
    }

    [Theory]
    [InlineData(PortProtocol.Tcp, false)]
    [InlineData(PortProtocol.Tcp, true)]
    [InlineData(PortProtocol.Udp, false)]
    [InlineData(PortProtocol.Udp, true)]
    [InlineData(PortProtocol.TcpAndUdp, true)]
    public async Task Release_TheStoreFails_NamesOwnerAndProtocol(PortProtocol protocol, bool byTheLease)
    {
        await using PortTestWorld world = await PortTestWorld.OpenAsync();
        PortLease lease = await world.Registry.AcquireAsync(new PortRequest("b1") { Protocol = protocol });
        await using PortSession session = world.Registry.OpenSession(null);
        world.Store!.Fail();

        PortRefusal refusal = await (byTheLease
            ? lease.ReleaseAsync().AsTask()
            : session.ReleaseAsync(new PortClaimRequest("b1") { Epoch = lease.Epoch, Protocol = protocol }).AsTask()).RefusalAsync();

        (refusal.Reason, refusal.Owner, refusal.Protocol).Should().Be((PortRefusalReason.StoreFailed, "b1", protocol));
    }

    [Fact]
    public async Task SessionEnded_OfAnUnknownProcess_NamesNoProcessAndNoVerb()
    {
        await using PortTestWorld world = new();
        PortSession ended = world.Registry.OpenSession(null);
        await ended.DisposeAsync();

        PortRefusal refusal = await ended.AcquireAsync("b1").AsTask().RefusalAsync();

        refusal.Message.Should().Contain("unknown process").And.Contain("b1").And.NotContain("process 0").And.NotContain("regist");
    }
}
