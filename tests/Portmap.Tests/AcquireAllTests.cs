using System.Globalization;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Several ports in one ask: all or none, in the order of the requests, in a row where
/// that is asked for.</summary>
public class AcquireAllTests
{
    private static readonly PortRequest[] s_three = ["a", "b", "c"];

    [Fact]
    public async Task TryAcquireAll_FreePorts_GivesLeasesInTheOrderOfTheRequests()
    {
        await using Scene scene = new();
        PortRequest[] requests = ["a", new("b") { Protocol = PortProtocol.Udp }, new("c") { Protocol = PortProtocol.TcpAndUdp }, new("d") { Strategy = PortRegistryOptions.ProcessBinds }];

        scene.Registry.TryAcquireAll(requests, contiguous: false, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue();

        refusal.Should().BeNull();
        leases!.Select(lease => (lease.Owner, lease.Protocol)).Should().Equal(requests.Select(request => (request.Owner, request.Protocol)));
        leases![3].Port.Should().Be(0);
        foreach (PortLease lease in leases)
        {
            PortProtocol protocol = lease.Protocol == PortProtocol.Udp ? PortProtocol.Udp : PortProtocol.Tcp;
            scene.Registry.TryGetEntry(lease.Owner, out PortEntry entry, protocol).Should().BeTrue();
            entry.Should().BeEquivalentTo(new { State = PortState.Reserved, lease.Port, lease.Epoch });
        }

        scene.StateOf(leases[2].Port, PortProtocol.Udp).Should().Be(PortState.Reserved);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task AcquireAllAsync_Leases_LiveForThemselves()
    {
        await using Scene scene = new();
        IReadOnlyList<PortLease> leases = await scene.Registry.AcquireAllAsync(s_three, contiguous: true);

        leases[1].TryRelease(out _).Should().BeTrue();
        PortEntry bound = await scene.Here.RegisterAsync(new PortClaimRequest("a", leases[0].Port) { Epoch = leases[0].Epoch });

        bound.Epoch.Should().Be(leases[0].Epoch);
        (await leases[0].WhenBound).Port.Should().Be(leases[0].Port);
        scene.StateOf(leases[1].Port).Should().Be(PortState.Cooling);
        scene.StateOf(leases[2].Port).Should().Be(PortState.Reserved);
        scene.Clock.Advance(TimeSpan.FromSeconds(120));
        scene.Registry.Maintain();
        scene.StateOf(leases[2].Port).Should().NotBe(PortState.Reserved, "each times out for itself");
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task TryAcquireAll_NoRequest_GivesNothing()
    {
        await using Scene scene = new();
        foreach (bool contiguous in (bool[])[false, true])
        {
            scene.Registry.TryAcquireAll([], contiguous, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue();
            leases.Should().BeEmpty();
        }
    }

    public static TheoryData<string, PortRequest, PortRefusalReason> Wrong => new()
    {
        { "an open lease", "held", PortRefusalReason.AlreadyReserved },
        { "twice", "a", PortRefusalReason.AlreadyReserved },
        { "twice, by one half", new PortRequest("a") { Protocol = PortProtocol.TcpAndUdp }, PortRefusalReason.AlreadyReserved },
        { "a name", "", PortRefusalReason.InvalidOwner },
        { "a strategy", new PortRequest("x") { Strategy = "none" }, PortRefusalReason.UnknownStrategy },
        { "a port in use", new PortRequest("x") { Reuse = PortReuse.Require, Previous = 20000 }, PortRefusalReason.InUse },
        { "a port outside", new PortRequest("x") { Reuse = PortReuse.Require, Previous = 30000 }, PortRefusalReason.InvalidPort },
        { "a served owner", new PortRequest("served") { UnlessServed = true }, PortRefusalReason.AlreadyServed },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task TryAcquireAll_OneIsRefused_NamesItAndLeavesNothing(string what, PortRequest wrong, PortRefusalReason reason)
    {
        await using Scene scene = new();
        scene.Acquire(new PortRequest("held") { Reuse = PortReuse.Require, Previous = 20000 });
        await scene.Here.RegisterAsync(new PortClaimRequest("served", 20001));
        PortSnapshot before = scene.Registry.Snapshot();

        foreach (bool contiguous in (bool[])[false, true])
        {
            scene.Registry.TryAcquireAll(["a", "b", wrong, "c"], contiguous, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeFalse(what);

            leases.Should().BeNull();
            refusal!.Reason.Should().Be(reason, "{0}: {1}", what, refusal.Message);
            refusal.Request.Should().Be(2);
            refusal.Owner.Should().Be(wrong.Owner);
            refusal.Message.Should().Contain("Request 3 of 4").And.Contain("Nothing was taken");
            PortSnapshot after = scene.Registry.Snapshot();
            after.Entries.Should().Equal(before.Entries);
            after.Revision.Should().Be(before.Revision, "watchers were told of nothing");
            scene.Registry.AssertInvariants();
        }

        foreach (int port in Enumerable.Range(20002, 8))
        {
            scene.StateOf(port).Should().Be(PortState.Free, "{0}: {1} does not cool", what, port);
            scene.Acquire(new PortRequest(port.ToString(CultureInfo.InvariantCulture)) { Reuse = PortReuse.Require, Previous = port });
        }
    }

    [Fact]
    public async Task TryAcquireAll_MoreThanThereAre_IsExhaustedAndLeavesNothing()
    {
        await using Scene scene = new("20000-20003");
        scene.Registry.TryAcquireAll([.. "abcde".Select(owner => new PortRequest(owner.ToString()))], contiguous: false, out _, out PortRefusal? refusal).Should().BeFalse();

        refusal.ShouldExplain(PortRefusalReason.Exhausted, "Request 5 of 5");
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
        scene.Registry.TryAcquireAll([.. "abcd".Select(owner => new PortRequest(owner.ToString()))], contiguous: true, out _, out _).Should().BeTrue();
    }

    [Theory]
    [InlineData("its owner asks for it again")]
    [InlineData("it is kept for its owner")]
    [InlineData("nothing else is free")]
    public async Task TryAcquireAll_APortThatCoolsWasTakenAndGivenBack_CoolsOn(string why)
    {
        await using Scene scene = new("20000-20001", options =>
        {
            options.ReuseCooling = why == "nothing else is free";
            if (why == "it is kept for its owner")
            {
                options.KeptPorts["a"] = 20000;
            }
        });
        PortLease first = scene.Acquire(new PortRequest("a") { Previous = 20000, Reuse = PortReuse.Require });
        scene.Acquire(new PortRequest("other") { Previous = 20001, Reuse = PortReuse.Require });
        first.TryRelease(out _);
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        PortRequest again = new("a") { Previous = why == "its owner asks for it again" ? 20000 : null, Reuse = PortReuse.Prefer };

        scene.Registry.TryAcquireAll([again, "b"], contiguous: false, out _, out PortRefusal? refusal).Should().BeFalse();

        refusal!.Reason.Should().Be(PortRefusalReason.Exhausted);
        scene.StateOf(20000).Should().Be(PortState.Cooling);
        if (!scene.Options.ReuseCooling)
        {
            scene.AcquireRefused("b").Reason.Should().Be(PortRefusalReason.Exhausted, "it still cools");
        }

        scene.Clock.Advance(scene.Options.ReuseDelay);
        scene.StateOf(20000).Should().Be(PortState.Free);
        scene.Acquire(why == "it is kept for its owner" ? "a" : "b").Port.Should().Be(20000);
        scene.Registry.AssertInvariants();
    }

    [Fact]
    public async Task TryAcquireAll_MoreOwnersThanMay_IsTooManyOwnersAndLeavesNothing()
    {
        await using Scene scene = new(configure: options => options.MaxOwners = 2);
        long revision = scene.Registry.Snapshot().Revision;

        scene.Registry.TryAcquireAll(s_three, contiguous: false, out _, out PortRefusal? refusal).Should().BeFalse();

        refusal.ShouldExplain(PortRefusalReason.TooManyOwners, "Request 3 of 3");
        scene.Registry.Snapshot().Should().BeEquivalentTo(new { Entries = Array.Empty<PortEntry>(), Revision = revision });
        scene.Registry.TryAcquireAll(["a", "b"], contiguous: false, out _, out _).Should().BeTrue("the places of the others came back");
    }

    [Fact]
    public async Task TryAcquireAll_TooManyRequests_IsLimitReached()
    {
        await using Scene scene = new("20000-20999");
        PortRequest[] requests = [.. Enumerable.Range(0, 257).Select(i => new PortRequest(i.ToString(CultureInfo.InvariantCulture)))];
        scene.Registry.TryAcquireAll(requests, contiguous: false, out _, out PortRefusal? refusal).Should().BeFalse();
        refusal.ShouldExplain(PortRefusalReason.LimitReached, 257, 256);
        scene.Registry.TryAcquireAll(requests[1..], contiguous: true, out _, out _).Should().BeTrue();
    }

    [Fact]
    public async Task TryAcquireAll_ARequiredPortAmongOthers_IsNotGivenAwayWithinTheAsk()
    {
        await using Scene scene = new("20000-20001", options => options.Order = PortOrder.LowestFree);
        scene.Registry.TryAcquireAll(["a", new("b") { Reuse = PortReuse.Require, Previous = 20000 }], contiguous: false, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue();
        leases!.Select(lease => lease.Port).Should().Equal(20001, 20000);
    }

    [Theory]
    [InlineData(PortReuse.Prefer)]
    [InlineData(PortReuse.Require)]
    public async Task TryAcquireAll_APortThatIsRememberedAmongOthers_IsNotGivenAwayWithinTheAsk(PortReuse reuse)
    {
        await using Scene scene = new("20000-20001", options => (options.Order, options.Reuse) = (PortOrder.LowestFree, reuse));
        HadLast(scene, "b", 20_000);

        scene.Registry.TryAcquireAll(["a", "b"], contiguous: false, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);

        leases!.Select(lease => lease.Port).Should().Equal(20_001, 20_000);
    }

    [Fact]
    public async Task TryAcquireAll_APortThatIsRequiredAmongRequestsOfFewerPorts_IsNotGivenAwayWithinTheAsk()
    {
        await using Scene scene = new(configure: options => options.Order = PortOrder.LowestFree);
        PortRequest[] requests = [new("few") { Ports = "20000-20001" }, new("a") { Reuse = PortReuse.Require, Previous = 20_000 }];

        scene.Registry.TryAcquireAll(requests, contiguous: false, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);

        leases!.Select(lease => lease.Port).Should().Equal(20_001, 20_000);
    }

    [Fact]
    public async Task TryAcquireAll_ThePortOfARequestOfFewerIsPreferredByAnother_IsNotLeftWithoutOne()
    {
        await using Scene scene = new();
        PortRequest[] requests = [new("a") { Reuse = PortReuse.Prefer, Previous = 20_000 }, new("one") { Ports = "20000" }];

        scene.Registry.TryAcquireAll(requests, contiguous: false, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);

        leases![0].Port.Should().BeGreaterThan(20_000, "another one will do for it");
        leases[1].Port.Should().Be(20_000);
    }

    [Fact]
    public async Task TryAcquireAll_ARequestOfFewerPortsAmongOthers_IsNotLeftWithoutOne()
    {
        await using Scene scene = new("20000-20003", options => options.Order = PortOrder.LowestFree);
        PortRequest[] requests = ["any", new("two") { Ports = "20000-20001" }, new("one") { Ports = "20000" }];

        scene.Registry.TryAcquireAll(requests, contiguous: false, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);

        leases!.Select(lease => lease.Port).Should().Equal(20_002, 20_001, 20_000);
    }

    [Fact]
    public async Task TryAcquireAll_BothProtocolsAmongOthersAndAStrangerOnUdp_IsNotLeftWithoutOne()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => options.Order = PortOrder.LowestFree);
        int first = PortRange.Parse(scene.Options.Ports).First;
        using Stranger stranger = Stranger.OnUdp(first + 1);

        scene.Registry.TryAcquireAll(["a", new("b") { Protocol = PortProtocol.TcpAndUdp }], contiguous: false, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);

        leases!.Select(lease => lease.Port).Should().Equal(first + 1, first);
    }

    [Theory]
    [InlineData(PortProtocol.Tcp, PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp, PortProtocol.TcpAndUdp)]
    public async Task TryAcquireAll_OneNumberRequiredTwice_IsInvalidPortAndSaysWhoElseRequiresIt(PortProtocol first, PortProtocol second)
    {
        await using Scene scene = new();
        PortRequest[] requests = [new("a") { Reuse = PortReuse.Require, Previous = 20_003, Protocol = first }, new("b") { Reuse = PortReuse.Require, Previous = 20_003, Protocol = second }];

        scene.Registry.TryAcquireAll(requests, contiguous: false, out _, out PortRefusal? refusal).Should().BeFalse();

        refusal.ShouldExplain(PortRefusalReason.InvalidPort, "Request 2 of 2", "b requires", 20_003, "a requires");
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TryAcquireAll_ARememberedNumberRequiredByAnother_IsInvalidPortAndSaysWhoElseRequiresIt(bool isNamedFirst)
    {
        await using Scene scene = new(configure: options => options.Reuse = PortReuse.Require);
        HadLast(scene, "b", 20_003);
        PortRequest[] requests = [new("a") { Previous = 20_003 }, "b"];

        scene.Registry.TryAcquireAll(isNamedFirst ? requests : [requests[1], requests[0]], contiguous: false, out _, out PortRefusal? refusal).Should().BeFalse();

        refusal.ShouldExplain(PortRefusalReason.InvalidPort, "Request 2 of 2", isNamedFirst ? "b requires" : "a requires", 20_003, isNamedFirst ? "a requires" : "b requires");
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task TryAcquireAll_OneNumberRequiredForTcpAndForUdp_IsGivenToBoth()
    {
        await using Scene scene = new();
        PortRequest[] requests = [new("a") { Reuse = PortReuse.Require, Previous = 20_003 }, new("b") { Reuse = PortReuse.Require, Previous = 20_003, Protocol = PortProtocol.Udp }];

        scene.Registry.TryAcquireAll(requests, contiguous: false, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal).Should().BeTrue(refusal?.Message);

        leases!.Select(lease => lease.Port).Should().Equal(20_003, 20_003);
    }

    [Fact]
    public async Task TryAcquireAll_StrategyThrows_IsStrategyFailedAndLeavesNothing()
    {
        await using Scene scene = new(configure: options => options.AddStrategy(new Throws()));
        foreach (bool contiguous in (bool[])[false, true])
        {
            scene.Registry.TryAcquireAll(["a", new("b") { Strategy = "Throws" }], contiguous, out _, out PortRefusal? refusal).Should().BeFalse();
            refusal.ShouldExplain(PortRefusalReason.StrategyFailed, "Throws", "Request 2 of 2");
            scene.Registry.Snapshot().Entries.Should().BeEmpty();
        }
    }

    [Fact]
    public async Task Watch_AllAcquired_TellsEachOnce()
    {
        await using Scene scene = new();
        long revision = scene.Registry.Snapshot().Revision;
        scene.Registry.TryAcquireAll(s_three, contiguous: true, out IReadOnlyList<PortLease>? leases, out _).Should().BeTrue();

        await using IAsyncEnumerator<PortUpdate> updates = scene.Registry.WatchAsync(revision).GetAsyncEnumerator();
        (await updates.MoveNextAsync().AsTask().Within()).Should().BeTrue();

        updates.Current.Changes.Select(change => (change.Kind, change.Entry.Epoch)).Should().Equal(leases!.Select(lease => (PortChangeKind.Acquired, (long?)lease.Epoch)));
    }

    /// <summary>An owner had a port, which is cooled.</summary>
    private static void HadLast(Scene scene, string owner, int port)
    {
        scene.Here.Register(owner, port);
        scene.Here.Release(owner);
        scene.Clock.Advance(scene.Options.ReuseDelay);
    }

    private sealed class Throws : IPortAllocationStrategy
    {
        public string Name => "Throws";

        public int Pick(PortSearch search) => throw new InvalidOperationException("no");
    }
}
