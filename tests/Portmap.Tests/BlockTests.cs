using System.Globalization;
using Portmap.Table;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Ports in a row: found wherever there is such a row, and never anything else.</summary>
public class BlockTests
{
    private const int Ports = 10;

    public static TheoryData<PortOrder> Orders => [PortOrder.NextFit, PortOrder.Random, PortOrder.LowestFree];

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task TryAcquireAll_EveryPatternOfFreePortsAndEveryLength_IsFoundWheneverItExists(PortOrder order)
    {
        for (int free = 0; free < 1 << Ports; free++)
        {
            await using Scene scene = new(configure: options => (options.Order, options.ReuseDelay) = (order, TimeSpan.Zero));
            Hold(scene, Enumerable.Range(0, Ports).Where(i => (free >> i & 1) == 0).Select(i => Scene.First + i));
            for (int length = 1; length <= Ports; length++)
            {
                bool exists = Enumerable.Range(0, Ports - length + 1).Any(first => (free >> first & ((1 << length) - 1)) == (1 << length) - 1);
                bool found = scene.Registry.TryAcquireAll(Row(length), contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal);

                found.Should().Be(exists, "{0} of {1:B}", length, free);
                if (found)
                {
                    leases!.Select(lease => lease.Port).Should().Equal(Enumerable.Range(leases![0].Port, length), "in a row and in order");
                    leases.Should().OnlyContain(lease => (free >> (lease.Port - Scene.First) & 1) == 1);
                    Release(scene, leases);
                }
                else
                {
                    refusal!.Reason.Should().Be(PortRefusalReason.Exhausted);
                    int longest = Convert.ToString(free, 2).Split('0').Max(run => run.Length);
                    refusal.Message.Should().Contain(longest == 0 ? "no port is free" : FormattableString.Invariant($"the longest run there is has {longest} ("));
                }
            }

            scene.Registry.AssertInvariants();
        }
    }

    [Theory]
    [InlineData("49152-65535", 65_535, 0)]
    [InlineData("1-65535", 65_535, 1)]
    [InlineData("1-65535", 65_534, 0)]
    [InlineData("1-1023", 1, 1)]
    [InlineData("1-1023", 1, 2)]
    [InlineData("1-1023", 2, 2)]
    public async Task TryAcquireAll_RequiredPortsRowWouldPassTheEndOfAllPorts_IsInvalidPort(string ports, int required, int at)
    {
        await using Scene scene = new(ports);
        PortRequest[] row = Row(3);
        row[at] = row[at] with { Previous = required, Reuse = PortReuse.Require };

        scene.Registry.TryAcquireAll(row, contiguous: true, out _, out PortRefusal? refusal).Should().BeFalse();

        refusal.ShouldExplain(PortRefusalReason.InvalidPort, row[at].Owner, required, required - at, required - at + 2, 65_535);
        refusal!.Request.Should().Be(at);
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task TryAcquireAll_RequiredRowIsOfADeadProcess_IsTaken()
    {
        HashSet<int> living = [1, 2];
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = Scene.TenPorts, Strategy = PortRegistryOptions.AllocatorPicks, VerifyListening = false, ReuseDelay = TimeSpan.Zero, LivenessInterval = TimeSpan.FromHours(1) }
            .SimulateHost((_, _) => [], id => living.Contains(id) ? 1 : null));
        PortSession dying = registry.OpenSession(1);
        for (int i = 0; i < 3; i++)
        {
            await dying.RegisterAsync(new PortClaimRequest($"m/{i}", Scene.First + i)).Within();
        }

        living.Remove(1);
        PortRequest[] row = Row(3);
        row[0] = row[0] with { Previous = Scene.First, Reuse = PortReuse.Require };

        registry.TryAcquireAll(row, contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue("{0}", refusal);

        leases!.Select(lease => lease.Port).Should().Equal(Enumerable.Range(Scene.First, 3));
    }

    [Fact]
    public async Task TryAcquireAll_NoRow_IsNotLookedForAmongHeldPortsAgain()
    {
        await using Scene scene = new("20000-20299", options => (options.MaxOwners, options.ReuseDelay) = (1_000, TimeSpan.Zero));
        Hold(scene, Enumerable.Range(20_000, 300).Where(port => port % 3 != 0));
        scene.Registry.TryAcquireAll(Row(2), contiguous: true, out _, out _).Should().BeFalse();

        PortHints hints = scene.Registry.Parts.Table.Hints(PortProtocol.Tcp);

        Enumerable.Range(20_000, 299).Count(port => hints.IsFree(port) && hints.IsFree(port + 1)).Should().Be(0, "the bit of a held port goes when it is met");
    }

    [Theory]
    [InlineData(2)]
    [InlineData(33)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(66)]
    [InlineData(100)]
    public async Task TryAcquireAll_RowAcrossTheWordsOfTheMap_IsFound(int length)
    {
        const int Last = 20_299;
        for (int first = 20_000; first + length - 1 <= Last; first += 7)
        {
            await using Scene scene = new("20000-20299", options => options.MaxOwners = 1_000);
            Hold(scene, Enumerable.Range(20_000, 300).Where(port => port < first || port >= first + length));
            scene.Registry.TryAcquireAll(Row(length + 1), contiguous: true, out _, out _).Should().BeFalse("so that the map knows who is held");

            scene.Registry.TryAcquireAll(Row(length), contiguous: true, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue("there is one from {0} on", first);

            leases![0].Port.Should().Be(first);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("20000-20100,20101-20199")]
    public async Task TryAcquireAll_TheOnlyRowLiesAcrossTwoLooksAtTheMap_IsFound(string? portsOfOne)
    {
        // The search begins at the lowest free port, and looks at the places of 64 ports at once.
        for (int first = 20_060; first < 20_067; first++)
        {
            await using Scene scene = new("20000-20199", options => (options.MaxOwners, options.Order, options.ReuseDelay) = (1_000, PortOrder.LowestFree, TimeSpan.Zero));
            int[] free = [20_000, first, first + 1, first + 2];
            Hold(scene, Enumerable.Range(20_000, 200));
            scene.AcquireRefused("nobody").ShouldExplain(PortRefusalReason.Exhausted);   // so that the map knows who is held
            foreach (int port in free)
            {
                scene.Here.Release(scene.OwnersOn(port).Single(), epoch: scene.Registry.EnumerateOwners(port).Single().Epoch ?? 0);
            }

            PortRequest[] row = Row(3);
            row[1] = row[1] with { Ports = portsOfOne };   // it asks otherwise than the others, and the map is read for each
            scene.Registry.TryAcquireAll(row, contiguous: true, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue("it begins at {0}", first);

            leases![0].Port.Should().Be(first);
        }
    }

    [Fact]
    public async Task TryAcquireAll_StrangerInTheMiddleOfARow_LeavesToOthersWhatLiesBeforeIt()
    {
        PortRange range = PortBlock.Take(4);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Order = PortOrder.LowestFree);
        using Stranger stranger = Stranger.Listening(range.First + 1);

        scene.Registry.TryAcquireAll(Row(2), contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue("{0}", refusal);

        leases!.Select(lease => lease.Port).Should().Equal(range.First + 2, range.First + 3);
        scene.Acquire("other").Port.Should().Be(range.First);
    }

    [Theory]
    [InlineData("20000-20001,20002-20003")]
    [InlineData("20002-20003,20000-20001")]
    public async Task TryAcquireAll_RowAcrossTwoRanges_IsFound(string ports)
    {
        await using Scene scene = new(ports);

        scene.Registry.TryAcquireAll(Row(4), contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue("{0}", refusal);

        leases![0].Port.Should().Be(20_000);
    }

    [Fact]
    public async Task TryAcquireAll_MixedProtocols_LooksAtThePortsOfEach()
    {
        await using Scene scene = new();
        await scene.Here.RegisterAsync(new PortClaimRequest("udp", 20005) { Protocol = PortProtocol.Udp });
        await scene.Here.RegisterAsync(new PortClaimRequest("tcp", 20002));
        PortRequest[] row = [.. Row(8).Select((request, i) => request with { Protocol = i == 0 ? PortProtocol.Udp : i == 5 ? PortProtocol.Tcp : i == 7 ? PortProtocol.TcpAndUdp : PortProtocol.Udp })];
        row[3] = row[3] with { Protocol = PortProtocol.Tcp };

        scene.Registry.TryAcquireAll(row, contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue("{0}", refusal?.Message);

        // 20005 is free on TCP only and 20002 on UDP only: only from 20000 and from 20002 on places
        // 3 or 5 meet them so.
        leases![0].Port.Should().BeOneOf(20000, 20002);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task TryAcquireAll_ExcludedPort_IsNoPartOfARow()
    {
        await using Scene scene = new(configure: options => options.Exclude = "20003");
        scene.Registry.TryAcquireAll(Row(7), contiguous: true, out _, out PortRefusal? refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.Exhausted, "has 6 (20004-20009)");
        scene.Registry.TryAcquireAll(Row(6), contiguous: true, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue();
        leases![0].Port.Should().Be(20004);
    }

    [Fact]
    public async Task TryAcquireAll_RangesByRequest_BoundTheRow()
    {
        await using Scene scene = new("20000-20009,20020-20029");
        scene.Registry.TryAcquireAll(Row(11), contiguous: true, out _, out PortRefusal? refusal).Should().BeFalse("no row goes over what lies between two ranges");
        refusal.ShouldExplain(PortRefusalReason.Exhausted, "has 10 (20000-20009)");
        PortRequest[] row = [.. Row(4).Select((request, i) => request with { Ports = i == 3 ? "20023-20025" : "20020-20029,20000-20004" })];

        scene.Registry.TryAcquireAll(row, contiguous: true, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue();
        leases![0].Port.Should().BeInRange(20020, 20022);
        row = [.. row.Select((request, i) => request with { Owner = $"other/{i}", Ports = "20000-20004" })];
        scene.Registry.TryAcquireAll([.. row, .. row.Select(request => request with { Owner = $"{request.Owner}/2" })], contiguous: true, out _, out refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.Exhausted, "20000-20004", "has 5 (20000-20004)");
    }

    [Fact]
    public async Task TryAcquireAll_KeptPort_IsInTheRowOfItsOwnerOnly()
    {
        await using Scene scene = new(configure: options => options.KeptPorts["row/1"] = 20004);
        PortRequest[] others = [.. Row(6).Select(request => request with { Owner = $"other/{request.Owner}" })];
        scene.Registry.TryAcquireAll(others, contiguous: true, out _, out PortRefusal? refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.Exhausted, "has 5 (20005-20009)");

        scene.Registry.TryAcquireAll(Row(3), contiguous: true, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue();
        leases!.Select(lease => lease.Port).Should().Equal(20003, 20004, 20005);
    }

    [Fact]
    public async Task TryAcquireAll_ProcessBinds_IsRefusedWithTheStrategy()
    {
        await using Scene scene = new();
        scene.Registry.TryAcquireAll(["a", new("b") { Strategy = PortRegistryOptions.ProcessBinds }], contiguous: true, out _, out PortRefusal? refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.NeedsNumbers, PortRegistryOptions.ProcessBinds, PortRegistryOptions.AllocatorPicks, "Request 2 of 2").Request.Should().Be(1);
    }

    [Fact]
    public async Task TryAcquireAll_OnlyCoolingPortsLeft_AreTakenUnlessTheOptionsForbidIt()
    {
        foreach (bool reuse in (bool[])[true, false])
        {
            await using Scene scene = new(configure: options => options.ReuseCooling = reuse);
            Release(scene, Hold(scene, Enumerable.Range(20000, 8)));

            scene.Registry.TryAcquireAll(Row(5), contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().Be(reuse);
            if (!reuse)
            {
                refusal.ShouldExplain(PortRefusalReason.Exhausted, "has 2 (20008-20009)");
                scene.Clock.Advance(TimeSpan.FromSeconds(61));
                scene.Registry.TryAcquireAll(Row(10), contiguous: true, out leases, out _).Should().BeTrue("they have cooled");
            }

            leases!.Select(lease => lease.Port).Should().Equal(Enumerable.Range(leases![0].Port, leases.Count));
        }
    }

    [Fact]
    public async Task TryAcquireAll_PreferOrRequire_GivesTheRowOfBefore()
    {
        await using Scene scene = new(configure: options => options.Reuse = PortReuse.Prefer);
        scene.Registry.TryAcquireAll(Row(3), contiguous: true, out IReadOnlyList<PortLease>? first, out _).Should().BeTrue();
        foreach (PortLease lease in first!)
        {
            await scene.Here.RegisterAsync(new PortClaimRequest(lease.Owner, lease.Port) { Epoch = lease.Epoch });
            scene.Here.TryRelease(new PortClaimRequest(lease.Owner) { Epoch = lease.Epoch }, out _).Should().BeTrue();
        }

        scene.Registry.TryAcquireAll(Row(3), contiguous: true, out IReadOnlyList<PortLease>? again, out _).Should().BeTrue();
        again!.Select(lease => lease.Port).Should().Equal(first.Select(lease => lease.Port));
        Release(scene, again!);

        PortRequest[] required = [.. Row(3).Select((request, i) => request with { Reuse = PortReuse.Require, Previous = 20004 + i })];
        scene.Registry.TryAcquireAll(required, contiguous: true, out again, out PortRefusal? refusal).Should().BeTrue("{0}", refusal?.Message);
        again!.Select(lease => lease.Port).Should().Equal(20004, 20005, 20006);
        Release(scene, again!);
        scene.Acquire(new PortRequest("other") { Reuse = PortReuse.Require, Previous = 20005 });

        scene.Registry.TryAcquireAll(required, contiguous: true, out _, out refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.InUse, 20005, "other", "Request 2 of 3");
        required[2] = required[2] with { Previous = 20007 };
        scene.Registry.TryAcquireAll(required, contiguous: true, out _, out refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.InvalidPort, 20007, 20006, "Request 3 of 3");
    }

    private static PortRequest[] Row(int length) => [.. Enumerable.Range(0, length).Select(i => new PortRequest(string.Create(CultureInfo.InvariantCulture, $"row/{i}")))];

    private static List<PortLease> Hold(Scene scene, IEnumerable<int> ports) =>
        [.. ports.Select(port => scene.Acquire(new PortRequest(string.Create(CultureInfo.InvariantCulture, $"held/{port}")) { Reuse = PortReuse.Require, Previous = port }))];

    private static void Release(Scene scene, IEnumerable<PortLease> leases)
    {
        foreach (PortLease lease in leases)
        {
            lease.TryRelease(out _).Should().BeTrue();
        }

        scene.Registry.AssertInvariants();
    }
}
