using Portmap.Strategies;
using Portmap.Table;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Strategies;

/// <summary><c>AllocatorPicks</c>: the registry picks the number. The contract holds for each
/// order.</summary>
public abstract class AllocatorPicksTests(PortOrder order) : PortAllocationStrategyContract
{
    protected override string Name => "AllocatorPicks";

    protected override void Configure(PortRegistryOptions options, PortRange range)
    {
        base.Configure(options, range);
        options.Order = order;
    }

    [Fact]
    public async Task Acquire_LargeRange_FillsToExactlyCount()
    {
        await using Scene scene = new("1025-9000", options => options.Order = order);
        HashSet<int> ports = [];

        for (int i = 0; i < 9000 - 1025 + 1; i++)
        {
            ports.Add(scene.Acquire(OwnerOf(i)).Port);
        }

        ports.Should().HaveCount(9000 - 1025 + 1);
        ports.Min().Should().Be(1025);
        ports.Max().Should().Be(9000);
        scene.AcquireRefused("one more").ShouldExplain(PortRefusalReason.Exhausted, "1025-9000", 9000 - 1025 + 1);
    }

    [Theory]
    [InlineData("1-64")]
    [InlineData("63-65")]
    [InlineData("64")]
    [InlineData("65472-65535")]
    [InlineData("65535")]
    [InlineData("1-65535")]
    public async Task Acquire_RangeAtAWordsEdge_ReachesBothEnds(string ports)
    {
        await using Scene scene = new(ports, options => options.Order = order);
        PortRange range = PortRange.Parse(ports);
        HashSet<int> given = [];

        for (int i = 0; i < range.Count; i++)
        {
            given.Add(scene.Acquire(OwnerOf(i)).Port);
        }

        given.Should().HaveCount(range.Count).And.Contain(range.First).And.Contain(range.Last);
    }

    private static string OwnerOf(int i) => FormattableString.Invariant($"owner{i}");

    public sealed class NextFit() : AllocatorPicksTests(PortOrder.NextFit)
    {
        [Fact]
        public async Task Acquire_EachIsGivenBackAtOnce_GoesOnBehindIt()
        {
            await using Scene scene = new("1025-9000", options => (options.Order, options.ReuseDelay) = (PortOrder.NextFit, TimeSpan.Zero));
            List<int> ports = [];
            for (int i = 0; i < 50; i++)
            {
                PortLease lease = scene.Acquire(OwnerOf(i));
                ports.Add(lease.Port);
                lease.TryRelease(out _).Should().BeTrue();
            }

            ports.Should().OnlyHaveUniqueItems("a number that was in use a moment ago comes last");
        }

        [Fact]
        public async Task Acquire_OnTwoProcessors_EachGoesRoundInAShareOfItsOwn()
        {
            await using Scene scene = new("1025-3072", options => (options.Order, options.ReuseDelay) = (PortOrder.NextFit, TimeSpan.Zero));
            HashSet<int>[] ports = [.. Enumerable.Range(0, Processor.Count).Select(processor => Processor.Run(processor, () => Churn(scene, 3_000)))];

            if (ports.Length > 1)
            {
                ports[0].Should().NotIntersectWith(ports[1]);
            }

            ports.Should().OnlyContain(own => own.Count >= 256, "a number comes round late");
        }

        [Fact]
        public async Task Acquire_OnOneProcessor_ReachesTheSharesOfAll()
        {
            await using Scene scene = new("1025-3072", options => options.Order = PortOrder.NextFit);

            Processor.Run(0, () => Enumerable.Range(0, 2_048).Select(i => scene.Acquire(OwnerOf(i)).Port).ToHashSet()).Should().HaveCount(2_048);
        }

        private static HashSet<int> Churn(Scene scene, int pairs)
        {
            HashSet<int> ports = [];
            for (int i = 0; i < pairs; i++)
            {
                PortLease lease = scene.Acquire("b1");
                ports.Add(lease.Port);
                lease.TryRelease(out _);
            }

            return ports;
        }
    }

    public sealed class Random() : AllocatorPicksTests(PortOrder.Random)
    {
        [Fact]
        public async Task Acquire_SomeOfALargeRange_AreNotInOrder()
        {
            await using Scene scene = new("1025-9000", options => options.Order = PortOrder.Random);

            Enumerable.Range(0, 50).Select(i => scene.Acquire(OwnerOf(i)).Port).Should().NotBeInAscendingOrder();
        }

        [Theory]
        [InlineData(PortProtocol.Tcp)]
        [InlineData(PortProtocol.Udp)]
        public async Task Acquire_OfCertainRanges_BeginsElsewhereOnEachDaemon(PortProtocol protocol)
        {
            // Two daemons of a fleet would be given the same ports in the same order.
            HashSet<int> first = [];
            for (int i = 0; i < 8; i++)
            {
                await using Scene scene = new("1025-60000", options => options.Order = PortOrder.Random);
                first.Add(scene.Acquire(new PortRequest("b1") { Ports = "20000-29999", Protocol = protocol }).Port);
            }

            first.Should().HaveCountGreaterThan(1);
        }

        [Fact]
        public async Task Acquire_OfMoreRangesThanAreRemembered_IsRandomInEach()
        {
            await using Scene scene = new("1025-60000", options => (options.Order, options.ReuseDelay) = (PortOrder.Random, TimeSpan.Zero));
            HashSet<int> ports = [];
            for (int i = 0; i < 100; i++)
            {
                PortLease lease = scene.Acquire(new PortRequest("b1") { Ports = FormattableString.Invariant($"{20_000 + i}-29999") });
                ports.Add(lease.Port);
                lease.TryRelease(out _).Should().BeTrue();
            }

            PortLease[] drawn = [.. Enumerable.Range(0, 20).Select(i => scene.Acquire(new PortRequest(OwnerOf(i)) { Ports = FormattableString.Invariant($"{20_100 + (i % 2)}-29999") }))];
            drawn.Select(lease => lease.Port - 20_100).Count(offset => offset < 20).Should().BeLessThan(5, "they do not follow each other");
            ports.Should().HaveCountGreaterThan(90);
        }

        [Fact]
        public void Pick_KernelHandsOutMostOfTheRange_IsRandomAmongTheOthersAndThenAmongThose()
        {
            using TempFolder proc = new();
            Directory.CreateDirectory(proc["sys/net/ipv4"]);
            File.WriteAllText(proc["sys/net/ipv4/ip_local_port_range"], "32768\t60999\n");
            PortRegistrySettings settings = PortRegistrySettings.From(new PortRegistryOptions { Ports = "32700-33700" }, KernelPorts.Read(proc.FullName));
            PortHints hints = new(settings.Limits);
            AllocatorPicks strategy = new(PortOrder.Random, settings.Ports, processors: 1, seed: 1);

            int[] outside = Draw();
            outside.Should().OnlyContain(port => port < 32_768);
            outside.CountBy(port => port).Should().HaveCountGreaterThan(60, "of 68").And.OnlyContain(drawn => drawn.Value < 60);

            foreach (int port in Enumerable.Range(32_700, 68))
            {
                hints.Free.TryTake(port);
            }

            int[] inside = Draw();
            inside.Should().OnlyContain(port => port >= 32_768);
            inside.CountBy(port => port).Should().HaveCountGreaterThan(500, "of 933").And.OnlyContain(drawn => drawn.Value < 20);

            int[] Draw() => [.. Enumerable.Range(0, 1_000).Select(_ => strategy.Pick(hints, PortProtocol.Tcp, avoid: 0))];
        }
    }

    public sealed class LowestFree() : AllocatorPicksTests(PortOrder.LowestFree)
    {
        [Fact]
        public async Task Acquire_GapsInTheRange_FillsTheLowestFirst()
        {
            await using Scene scene = new(configure: options => (options.Order, options.ReuseDelay) = (PortOrder.LowestFree, TimeSpan.Zero));
            List<PortLease> leases = [.. Enumerable.Range(0, 6).Select(i => scene.Acquire(OwnerOf(i)))];
            await leases[1].ReleaseAsync().Within();
            await leases[4].ReleaseAsync().Within();

            leases.Select(lease => lease.Port).Should().Equal(Enumerable.Range(Scene.First, 6));
            scene.Acquire("next").Port.Should().Be(Scene.First + 1);
            scene.Acquire("after").Port.Should().Be(Scene.First + 4);
            scene.Acquire("then").Port.Should().Be(Scene.First + 6);
        }
    }
}
