using Portmap.Operations;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Several ranges in <see cref="PortRegistryOptions.Ports"/>, and requests that want
/// certain ones (<see cref="PortRequest.Ports"/>).</summary>
public class PortRegistryRangesTests
{
    private const string Two = "20000-20003,10000-10002";

    public static TheoryData<PortOrder> Orders { get; } = new() { PortOrder.NextFit, PortOrder.Random, PortOrder.LowestFree };

    public static TheoryData<string, string> Wrong { get; } = new()
    {
        { "", "FIRST-LAST" },
        { "public", "public" },
        { "10000-10002,10001", "overlap in 10001-10001" },
        { "10003", "10003-10003 is not wholly within 20000-20003,10000-10002" },
        { "10000-20003", "10000-20003 is not wholly within 20000-20003,10000-10002" },
        { "20003-20004", "20003-20004 is not wholly within" },
        { "10002", "excluded (10002)" },
    };

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task TryAcquire_SeveralRanges_GivesEveryPortOfThemAndNoOther(PortOrder order)
    {
        await using Scene scene = new(Two, options => options.Order = order);

        int[] ports = [.. Enumerable.Range(0, 7).Select(i => scene.Acquire($"b{i}").Port)];

        ports.Should().BeEquivalentTo([20000, 20001, 20002, 20003, 10000, 10001, 10002]);
        scene.AcquireRefused("b7").ShouldExplain(PortRefusalReason.Exhausted, Two, "7 that may be handed out", "7 reserved");
        scene.Registry.Bounds.Ports.Should().Equal(new PortRange(20000, 20003), new PortRange(10000, 10002));
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task TryAcquire_MoreRangesThanOneTextMayHave_IsRefusedAndAReportAsksForAny()
    {
        string ports = string.Join(',', Enumerable.Range(0, PortRange.MaxRanges + 1).Select(i => FormattableString.Invariant($"{20_000 + (2 * i)}")));
        await using Scene scene = new("20000-29999");

        scene.AcquireRefused(new PortRequest("b1") { Ports = ports }).ShouldExplain(PortRefusalReason.InvalidPort, PortRange.MaxRanges + 1, PortRange.MaxRanges, "b1");
        PortLease reported = await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b2", 20_001) { Ports = ports }).AsTask().Within();
        ((ILease)reported).Ports.Should().BeNull("it is not kept");
    }

    [Fact]
    public void Options_MoreRangesThanOneTextMayHave_AreWrong()
    {
        PortRegistryOptions options = new() { Ports = string.Join(',', Enumerable.Range(1, PortRange.MaxRanges + 1).Select(i => FormattableString.Invariant($"{2 * i}"))) };

        FluentActions.Invoking(() => new PortRegistry(options)).Should().Throw<Microsoft.Extensions.Options.OptionsValidationException>()
            .WithMessage($"*Ports*{PortRange.MaxRanges + 1}*at most {PortRange.MaxRanges}*");
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task TryAcquire_AskedRanges_FillToTheLastPortAndStayWithin(PortOrder order)
    {
        await using Scene scene = new("20000-20063,10000-10002", options => options.Order = order);

        int[] ports = [.. Enumerable.Range(0, 7).Select(i => scene.Acquire(new PortRequest($"b{i}") { Ports = "10001-10002,20010-20014" }).Port)];

        ports.Should().BeEquivalentTo([10001, 10002, 20010, 20011, 20012, 20013, 20014]);
        scene.AcquireRefused(new PortRequest("b7") { Ports = "10001-10002,20010-20014" })
            .ShouldExplain(PortRefusalReason.Exhausted, "10001-10002,20010-20014", "7 that may be handed out", "7 reserved", "Ask for more of Ports");
        ports.Should().NotContain(scene.Acquire("anywhere").Port);
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task TryAcquire_RangesThatCannotBeHad_AreRefusedWithTheBound(string ports, string named)
    {
        await using Scene scene = new(Two, options => options.Exclude = "10002");

        scene.AcquireRefused(new PortRequest("b1") { Ports = ports }).ShouldExplain(PortRefusalReason.InvalidPort, $"'{ports}'", "b1", named);

        scene.StateOf(10002).Should().Be(PortState.Free);
        scene.Acquire("b1");
    }

    [Fact]
    public async Task TryAcquire_NextFitInsideRanges_LeavesThePlaceOfAllPorts()
    {
        await using Scene scene = new("20000-20099,10000-10099", options => options.ReuseDelay = TimeSpan.Zero);
        int before = scene.Acquire("a").Port;
        int[] asked = [.. Enumerable.Range(0, 5).Select(i => scene.Acquire(new PortRequest($"b{i}") { Ports = "10050-10060" }).Port)];

        asked.Should().Equal(10050, 10051, 10052, 10053, 10054);
        PortLease next = scene.Acquire("c");
        (next.Port / 10_000).Should().Be(before / 10_000, "the search goes on where it was");
    }

    [Fact]
    public async Task TryAcquire_NothingElseIsFree_ReusesCoolingPortsOfTheRangesOnly()
    {
        await using Scene scene = new("20000-20001,10000-10001", options => options.ReuseDelay = TimeSpan.FromMinutes(1));
        foreach (string owner in (string[])["a", "b", "c", "d"])
        {
            scene.Acquire(owner).TryRelease(out _).Should().BeTrue();
            scene.Clock.Advance(TimeSpan.FromSeconds(5));
        }

        int[] ports = [.. Enumerable.Range(0, 2).Select(i => scene.Acquire(new PortRequest($"x{i}") { Ports = "10000-10001" }).Port)];

        ports.Should().BeEquivalentTo([10000, 10001]);
        scene.AcquireRefused(new PortRequest("x2") { Ports = "10000-10001" }).ShouldExplain(PortRefusalReason.Exhausted);
        scene.StateOf(20000).Should().Be(PortState.Cooling, "it was left where it was");
    }

    [Fact]
    public async Task TryAcquire_EarlierPort_IsGivenAgainOnlyWithinTheRanges()
    {
        await using Scene scene = new(Two);
        PortLease first = scene.Acquire(new PortRequest("b1") { Ports = "20001" });
        first.TryRelease(out _);

        scene.Acquire(new PortRequest("b1") { Ports = "10000-10002", Reuse = PortReuse.Prefer }).TryRelease(out _);
        scene.AcquireRefused(new PortRequest("b1") { Ports = "10000-10002", Reuse = PortReuse.Require, Previous = 20001 })
            .ShouldExplain(PortRefusalReason.InvalidPort, 20001, "10000-10002", Two);
        scene.Acquire(new PortRequest("b2") { Ports = "20000-20001", Reuse = PortReuse.Prefer, Previous = 20001 }).Port
            .Should().Be(20000, "the other one cools after b1");
    }

    [Fact]
    public async Task TryAcquire_BothProtocols_StayWithinTheRanges()
    {
        await using Scene scene = new(Two);
        scene.Acquire(new PortRequest("u") { Protocol = PortProtocol.Udp, Ports = "10001" });

        int[] ports = [.. Enumerable.Range(0, 2).Select(i => scene.Acquire(new PortRequest($"b{i}") { Protocol = PortProtocol.TcpAndUdp, Ports = "10000-10002" }).Port)];

        ports.Should().BeEquivalentTo([10000, 10002]);
    }

    [Fact]
    public async Task ReportBindFailure_LeaseWithRanges_GetsAnotherPortOfThem()
    {
        await using Scene scene = new(Two);
        PortLease lease = scene.Acquire(new PortRequest("b1") { Ports = "10000-10001" });
        int first = lease.Port;

        await lease.ReportBindFailureAsync().AsTask().Within();

        lease.Port.Should().NotBe(first).And.BeInRange(10000, 10001);
    }

    [Fact]
    public async Task Pick_StrategyOfTheHost_SeesTheAskedRangesAndIsHeldToThem()
    {
        IReadOnlyList<PortRange>? seen = null;
        int found = 0;
        await using Scene scene = new(Two, options => options.AddStrategy(new Guided(search =>
        {
            seen = search.Ports;
            found = search.FindFree(20002);
            return search.Attempt == 0 ? 20003 : found;   // first one that was not asked for
        })));

        PortLease lease = scene.Acquire(new PortRequest("b1") { Strategy = "Guided", Ports = "10002,20000-20001" });

        seen.Should().Equal(new PortRange(10002, 10002), new PortRange(20000, 20001));
        lease.Port.Should().Be(found).And.BeOneOf(10002, 20000, 20001);
        scene.Acquire(new PortRequest("b2") { Strategy = "Guided", Ports = "10000-10001" }).Port.Should().BeInRange(10000, 10001);
        scene.StateOf(20003).Should().Be(PortState.Free);
        scene.StateOf(20002).Should().Be(PortState.Free);
    }

    [Fact]
    public async Task PrepareStart_ProcessBinds_TellsTheWorkerItsRanges()
    {
        await using Scene scene = new(Two);
        System.Diagnostics.ProcessStartInfo asked = new("brick"), plain = new("brick");

        scene.Acquire(new PortRequest("b1") { Strategy = PortRegistryOptions.ProcessBinds, Ports = "10000-10001" }).PrepareStart(asked);
        scene.Acquire(new PortRequest("b2") { Strategy = PortRegistryOptions.ProcessBinds }).PrepareStart(plain);

        asked.Environment["PORTMAP_RANGE"].Should().Be("10000-10001");
        plain.Environment["PORTMAP_RANGE"].Should().Be(Two);
    }

    [Fact]
    public async Task Register_OutsideTheRangesOfItsLease_IsTakenAndTold()
    {
        await using Scene scene = new(Two);
        PortLease inside = scene.Acquire(new PortRequest("b1") { Strategy = PortRegistryOptions.ProcessBinds, Ports = "10000-10001" });
        PortLease outside = scene.Acquire(new PortRequest("b2") { Strategy = PortRegistryOptions.ProcessBinds, Ports = "10000-10001" });

        scene.Here.Register("b1", 10001, inside.Epoch);
        scene.Here.Register("b2", 20003, outside.Epoch);

        scene.PortOf("b2").Should().Be(20003, "a process that listens is never refused because of a range");
        scene.Log.Of("RegisteredOutside").Should().ContainSingle().Which.Should().Contain("b2").And.Contain("20003").And.Contain("10000-10001");
    }

    [Fact]
    public void Tiers_AskedRanges_KernelFreePortsComeFirst()
    {
        using TempFolder proc = new();
        Directory.CreateDirectory(proc["sys/net/ipv4"]);
        File.WriteAllText(proc["sys/net/ipv4/ip_local_port_range"], "32768\t60999\n");
        PortRegistrySettings settings = PortRegistrySettings.From(
            new PortRegistryOptions { Ports = "49152-65535,7000-7099" }, KernelPorts.Read(proc.FullName));

        settings.Ports.Tiers.Should().BeEquivalentTo(
            new PortRange[][] { [new(7000, 7099), new(61000, 65535)], [new(49152, 60999)] }, options => options.WithStrictOrdering());
        settings.Ports.Within([new(60990, 61009), new(50000, 50001)], settings.HandsOut).Tiers.Should().BeEquivalentTo(
            new PortRange[][] { [new(61000, 61009)], [new(50000, 50001), new(60990, 60999)] }, options => options.WithStrictOrdering());
    }

    private sealed class Guided(Func<PortSearch, int> pick) : IPortAllocationStrategy
    {
        public string Name => "Guided";

        public int Pick(PortSearch search) => pick(search);
    }
}
