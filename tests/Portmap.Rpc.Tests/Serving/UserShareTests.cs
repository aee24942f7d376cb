using Microsoft.Extensions.Time.Testing;
using Portmap.Native;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>What one user can hold, over however many connections: part of the owners, of the ports
/// and of the connections, so that others have the rest.</summary>
public class UserShareTests
{
    private const uint Other = 1_234;

    private static readonly Trust s_trust = new(new PortmapServerOptions { AllowedUserIds = { Other, Other + 1 } });

    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);

    [Fact]
    public async Task MaxOwnersPerSession_Leases_CountAsOwnersDo()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerSession = 3 }, timeProvider: _time);
        await using PortmapClient client = harness.OpenClient(), other = harness.OpenClient();
        await client.AcquireAsync("lease").Within();
        await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        await client.AcquireAsync(new PortRequest("b2") { Strategy = PortRegistryOptions.AllocatorPicks }).Within();

        await RefusedAsync(() => client.AcquireAsync("b3"), "3 owners", "MaxOwnersPerSession");
        await RefusedAsync(() => client.RegisterAsync(new PortClaimRequest("b3", 49200)), "3 owners", "MaxOwnersPerSession");
        await RefusedAsync(() => client.ReportBindFailureAsync(new PortClaimRequest("b3", 49200)), "3 owners", "MaxOwnersPerSession");
        await client.RegisterAsync(new PortClaimRequest("lease", 49200)).Within();
        await other.AcquireAsync("b3").Within();
        await client.ReleaseAsync("b1").Within();
        await client.AcquireAsync("b4").Within();
    }

    [Fact]
    public async Task MaxOwnersPerSession_BothProtocols_CountTwice()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerSession = 3 });
        await using PortmapClient client = harness.OpenClient();
        await client.AcquireAsync(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp }).Within();
        await RefusedAsync(() => client.AcquireAsync(new PortRequest("b2") { Protocol = PortProtocol.TcpAndUdp }), "3 owners");
        await client.AcquireAsync("b2").Within();
        await RefusedAsync(() => client.AcquireAsync("b3"), "3 owners");
    }

    [Fact]
    public async Task MaxOwnersPerUser_OverManyConnections_IsOneShareAndOthersHaveTheirs()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerUser = 5 }, timeProvider: _time);
        int granted = 0;
        for (int i = 0; i < 10; i++)
        {
            // What a connection acquired stays when it ends.
            await using PortmapClient client = harness.OpenClient(Unix(Other));
            granted += await GrantedAsync(() => client.AcquireAsync($"a/{i}"));
            granted += await GrantedAsync(() => client.RegisterAsync(new PortClaimRequest($"r/{i}", 49200)));
        }

        granted.Should().Be(5);
        await using PortmapClient one = harness.OpenClient(Unix(Other)), another = harness.OpenClient(Unix(Other + 1)), own = harness.OpenClient();
        await RefusedAsync(() => one.AcquireAsync("more"), "5 owners", $"user {Other}", "MaxOwnersPerUser");
        await another.AcquireAsync("another").Within();
        for (int i = 0; i < 20; i++)
        {
            await own.AcquireAsync($"own/{i}").Within();
        }

        _time.Advance(TimeSpan.FromSeconds(61));   // the leases run out, and those of processes that are gone have ended
        for (int i = 0; i < 5; i++)
        {
            await one.AcquireAsync($"again/{i}").Within();
        }

        await RefusedAsync(() => one.AcquireAsync("more"), "5 owners");
        await one.ReleaseAsync(new PortClaimRequest("again/0") { Epoch = (await one.GetEntryAsync("again/0").Within())!.Value.Epoch }).Within();
        await one.AcquireAsync("more").Within();
    }

    [Fact]
    public async Task MaxOwnersPerUser_OfOneAmongThousands_IsNotForgotten()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerUser = 1 });
        await using (PortmapClient client = harness.OpenClient(Unix(Other)))
        {
            await client.AcquireAsync("b1").Within();
        }

        await harness.LastServed.Within();
        for (uint user = 10_000; user < 12_000; user++)
        {
            harness.Context.Users.Join(Unix(user)).Should().NotBeNull();
        }

        await using PortmapClient again = harness.OpenClient(Unix(Other));
        await RefusedAsync(() => again.AcquireAsync("b2"), "1 owners");
    }

    [Fact]
    public async Task MaxOwnersPerUser_OfAConnectionThatHeldNothingWhenThousandsCame_IsStillOneShare()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerUser = 1 });
        await using PortmapClient client = harness.OpenClient(Unix(Other)), other = harness.OpenClient(Unix(Other));
        PortEntry first = await client.AcquireAsync("b1").Within();
        await client.ReleaseAsync(new PortClaimRequest("b1") { Epoch = first.Epoch }).Within();
        for (uint user = 10_000; user < 12_000; user++)
        {
            harness.Context.Users.Join(Unix(user)).Should().NotBeNull();
        }

        await other.AcquireAsync("b2").Within();

        await RefusedAsync(() => client.AcquireAsync("b3"), "1 owners");
    }

    [Fact]
    public async Task Join_AfterAllThatCountInAShareHaveLeft_FindsItUntilThousandsCome()
    {
        await using Harness harness = new();
        UserShares shares = harness.Context.Users;
        OwnerShare share = shares.Join(Unix(Other))!;
        await using (PortmapClient client = harness.OpenClient(Unix(Other)))
        {
            await client.ReleaseAsync("b1").Within();
        }

        await harness.LastServed.Within();
        shares.Leave(share);
        shares.Join(Unix(Other)).Should().BeSameAs(share);
        shares.Leave(share);

        for (uint user = 10_000; user < 12_000; user++)
        {
            shares.Leave(shares.Join(Unix(user))!);
        }

        shares.Join(Unix(Other)).Should().NotBeSameAs(share, "of those that hold nothing and have no connection only so many are kept");
    }

    /// <summary>Addresses of other hosts are without number, and nobody asks again for what each of
    /// them once held.</summary>
    [Fact]
    public async Task Join_OfOneMoreWhenWhatThousandsHeldIsOver_KeepsNoneOfThem()
    {
        await using Harness harness = new(timeProvider: _time);
        UserShares shares = harness.Context.Users;
        for (int i = 0; i < 1_100; i++)
        {
            await using (PortmapClient client = harness.OpenClient(Remote(i)))
            {
                await client.AcquireAsync($"b/{i}").Within();
            }

            await harness.LastServed.Within();
        }

        OwnerShare[] kept = [.. Enumerable.Range(0, 1_100).Select(i => Rejoin(shares, Remote(i)))];
        _time.Advance(TimeSpan.FromSeconds(61));   // the leases run out
        Rejoin(shares, Remote(2_000));

        kept.Should().OnlyHaveUniqueItems();
        kept.Where((share, i) => ReferenceEquals(Rejoin(shares, Remote(i)), share)).Should().BeEmpty();
    }

    [Fact]
    public async Task Join_OfThousandsThatComeTogether_LooksThroughThemOnceASecond()
    {
        await using Harness harness = new(timeProvider: _time);
        UserShares shares = harness.Context.Users;
        foreach (int i in Enumerable.Range(0, 1_100))
        {
            Rejoin(shares, Remote(i));   // the first ones are forgotten, when there are too many
        }

        OwnerShare share = Rejoin(shares, Remote(3_000));
        foreach (int i in Enumerable.Range(4_000, 1_100))
        {
            Rejoin(shares, Remote(i));
        }

        Rejoin(shares, Remote(3_000)).Should().BeSameAs(share, "it is the same moment");
        _time.Advance(TimeSpan.FromSeconds(1));
        Rejoin(shares, Remote(6_000));
        Rejoin(shares, Remote(3_000)).Should().NotBeSameAs(share);
    }

    [Fact]
    public async Task MaxOwnersPerUser_CallsAtTheSameTime_DoNotPassTogether()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerUser = 50 }, new PortRegistryOptions { Probe = false });
        PortmapClient[] clients = [.. Enumerable.Range(0, 8).Select(i => harness.OpenClient(Unix(Other)))];
        int granted = 0;
        await Task.WhenAll(clients.Select((client, number) => Task.Run(async () =>
        {
            for (int i = 0; i < 50; i++)
            {
                Interlocked.Add(ref granted, await GrantedAsync(() => client.AcquireAsync($"{number}/{i}")));
            }
        }))).Within();
        granted.Should().Be(50);
    }

    [Fact]
    public async Task MaxOwnersPerUser_OwnerOfAnotherUserNow_CountsNoLonger()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerUser = 1 }, timeProvider: _time);
        await using PortmapClient client = harness.OpenClient(Unix(Other)), own = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync("b1").Within();
        await own.ReleaseAsync(new PortClaimRequest("b1") { Epoch = lease.Epoch }).Within();
        await own.AcquireAsync("b1").Within();

        await client.AcquireAsync("b2").Within();
        await RefusedAsync(() => client.AcquireAsync("b3"), "1 owners");
    }

    [Theory]
    [InlineData(20, 4_096, 10)]
    [InlineData(20, 3, 3)]
    [InlineData(1, 4_096, 1)]
    public async Task MaxPortsPerUser_AndHalfOfTheRange_AreAllThatOneUserCanFill(int ports, int limit, int expected)
    {
        PortRange range = PortBlock.Take(ports);
        await using Harness harness = new(
            new PortmapServerOptions { MaxPortsPerUser = limit }, new PortRegistryOptions { Ports = range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks });
        int granted = 0;
        for (int i = 0; i < ports + 5; i++)
        {
            await using PortmapClient client = harness.OpenClient(Unix(Other));
            granted += await GrantedAsync(() => client.AcquireAsync($"a/{i}"));
        }

        granted.Should().Be(expected);
        await using PortmapClient one = harness.OpenClient(Unix(Other)), own = harness.OpenClient();
        await RefusedAsync(() => one.AcquireAsync("more"), $"{expected} ports", $"{range}", "MaxPortsPerUser");
        for (int i = expected; i < ports; i++)
        {
            await own.AcquireAsync($"own/{i}").Within();
        }
    }

    /// <summary>Of a process that nobody knows lookups do not answer any more once its connection
    /// has ended, and its ports are held until the grace is over.</summary>
    [Theory]
    [InlineData(3, 4_096)]
    [InlineData(4_096, 3)]
    public async Task Limits_OfAUserWhoseConnectionEnded_CountWhatIsHeldForItUnserved(int ports, int owners)
    {
        PortRange range = PortBlock.Take(20);
        await using Harness harness = new(
            new PortmapServerOptions { MaxPortsPerUser = ports, MaxOwnersPerUser = owners }, new PortRegistryOptions { Ports = range.ToString(), Probe = false }, timeProvider: _time);
        await using (PortmapClient client = harness.OpenClient(Tcp(Other)))
        {
            for (int i = 0; i < 3; i++)
            {
                (await client.RegisterAsync(new PortClaimRequest($"a/{i}", range.First + i)).Within()).ProcessId.Should().BeNull();
            }
        }

        await harness.LastServed.Within();
        harness.Registry.TryGetEntry("a/0", out _).Should().BeFalse();
        _time.Advance(TimeSpan.FromSeconds(2));
        await using PortmapClient again = harness.OpenClient(Tcp(Other));
        await RefusedAsync(() => again.RegisterAsync(new PortClaimRequest("more", range.First + 3)), "3 ");
        await again.RegisterAsync(new PortClaimRequest("a/0", range.First)).Within();   // its own comes back, and is no fourth
        await RefusedAsync(() => again.RegisterAsync(new PortClaimRequest("more", range.First + 3)), "3 ");

        _time.Advance(TimeSpan.FromSeconds(10));   // the grace is over
        await again.RegisterAsync(new PortClaimRequest("more", range.First + 3)).Within();
        await again.RegisterAsync(new PortClaimRequest("another", range.First + 4)).Within();
        await RefusedAsync(() => again.RegisterAsync(new PortClaimRequest("last", range.First + 5)), "3 ");
    }

    [Fact]
    public async Task MaxPortsPerUser_LeasesBesideRegistrations_CountToo()
    {
        PortRange range = PortBlock.Take(20);
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Ports = range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks, Probe = false }, timeProvider: _time);
        await using PortmapClient client = harness.OpenClient(Unix(Other));
        for (int i = 0; i < 6; i++)
        {
            await client.RegisterAsync(new PortClaimRequest($"a/{i}", range.First + i)).Within();
        }

        int granted = 0;
        for (int i = 0; i < 6; i++)
        {
            granted += await GrantedAsync(() => client.AcquireAsync($"a/{i}"));
        }

        granted.Should().Be(4, "an owner with a lease beside its registration has two ports");
        await RefusedAsync(() => client.AcquireAsync("more"), "10 ports");
        PortEntry lease = harness.Registry.Snapshot().Entries.Single(entry => entry is { Owner: "a/0", State: PortState.Reserved });
        await RefusedAsync(() => client.RegisterAsync(new PortClaimRequest("more", range.Last)), "10 ports");
        await client.RegisterAsync(new PortClaimRequest("a/0", lease.Port) { Epoch = lease.Epoch }).Within();   // the port it leaves is free again
        PortEntry beside = await client.AcquireAsync("a/0").Within();
        await RefusedAsync(() => client.AcquireAsync("more"), "10 ports");
        await client.ReleaseAsync(new PortClaimRequest("a/0") { Epoch = beside.Epoch }).Within();
        await client.AcquireAsync("a/0").Within();   // at once: what is given back counts no longer
        await RefusedAsync(() => client.AcquireAsync("more"), "10 ports");
        _time.Advance(TimeSpan.FromSeconds(61));   // the leases run out
        await client.AcquireAsync("more").Within();
    }

    [Fact]
    public async Task MaxPortsPerUser_RegistrationThatEndsBesideItsLease_CountsNoLonger()
    {
        PortRange range = PortBlock.Take(20);
        await using Harness harness = new(
            new PortmapServerOptions { MaxPortsPerUser = 2 },
            new PortRegistryOptions { Ports = range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks, Probe = false },
            timeProvider: _time);
        await using PortmapClient client = harness.OpenClient(Unix(Other));
        PortEntry registered = await client.RegisterAsync(new PortClaimRequest("b1", range.First)).Within();
        PortEntry beside = await client.AcquireAsync("b1").Within();
        await RefusedAsync(() => client.AcquireAsync("c1"), "2 ports");

        await client.ReleaseAsync(new PortClaimRequest("b1") { Epoch = registered.Epoch }).Within();

        harness.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        (entry.State, entry.Epoch).Should().Be((PortState.Reserved, beside.Epoch));
        await client.AcquireAsync("c1").Within();
        await RefusedAsync(() => client.AcquireAsync("d1"), "2 ports");
    }

    [Fact]
    public void MaxPortsPerUser_AsksAtTheSameTime_DoNotPassTogether()
    {
        using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20003", Probe = false });
        OwnerShare share = new(registry, _time, new ShareLimits { Owners = 10, OwnersName = "owners", Ranges = [new PortRange(20_000, 20_003)], Ports = 2, By = "here", Remedy = "wait" });
        share.Begin("a", port: 0, PortProtocol.Tcp);
        share.Begin("b", port: 20_001, PortProtocol.Tcp);

        foreach (int port in (int[])[0, 20_002])
        {
            Action third = () => share.Begin("c", port, PortProtocol.Tcp);
            third.Should().Throw<PortRefusedException>().Which.Refusal.Reason.Should().Be(PortRefusalReason.TooManyOwners);
        }

        share.End("a", PortProtocol.Tcp, epoch: 0, port: 0, isLease: true);   // it was refused
        share.Begin("c", port: 20_002, PortProtocol.Tcp);
    }

    [Fact]
    public async Task MaxPortsPerUser_OfOwnersThatShareAPortOrLieOutside_CountsPorts()
    {
        PortRange range = PortBlock.Take(4);
        int outside = range.First > 2_000 ? 1_024 : 60_000;
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Ports = range.ToString() });
        await using PortmapClient client = harness.OpenClient(Unix(Other));
        for (int i = 0; i < 20; i++)
        {
            await client.RegisterAsync(new PortClaimRequest($"shared/{i}", range.First)).Within();
            await client.RegisterAsync(new PortClaimRequest($"outside/{i}", outside + i)).Within();
        }

        await client.RegisterAsync(new PortClaimRequest("second", range.First + 1)).Within();
        await RefusedAsync(() => client.RegisterAsync(new PortClaimRequest("third", range.First + 2)), "2 ports");
        await client.ReleaseAsync("second").Within();
        await client.RegisterAsync(new PortClaimRequest("third", range.First + 2)).Within();
    }

    [Fact]
    public async Task MaxOwnersPerUser_OfASmallRegistry_IsHalfOfItsOwners()
    {
        await using Harness harness = new(registryOptions: new PortRegistryOptions { MaxOwners = 10, Probe = false });
        await using PortmapClient client = harness.OpenClient(Unix(Other)), own = harness.OpenClient();
        for (int i = 0; i < 5; i++)
        {
            await client.AcquireAsync($"a/{i}").Within();
        }

        await RefusedAsync(() => client.AcquireAsync("more"), "5 owners", "MaxOwners");
        await own.AcquireAsync("own").Within();
    }

    [Fact]
    public async Task ReportBindFailure_OfPortsThatNobodyHas_MarksNoneForeign()
    {
        PortRange range = PortBlock.Take(20);
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Ports = range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks });
        await using PortmapClient client = harness.OpenClient(Unix(Other)), own = harness.OpenClient();
        for (int port = range.First; port <= range.Last; port++)
        {
            await GrantedAsync(() => client.ReportBindFailureAsync(new PortClaimRequest($"b/{port}", port)));
            await GrantedAsync(() => client.ReportBindFailureAsync(new PortClaimRequest("b", port)));
        }

        harness.Registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Foreign);
        for (int i = 0; i < 10; i++)
        {
            await own.AcquireAsync($"own/{i}").Within();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task MaxConnectionsPerPeer_OfAnotherUser_CountsItsProcessesTogether(bool overUnix)
    {
        await using Harness harness = new(new PortmapServerOptions { MaxConnectionsPerPeer = 4 });
        int served = Enumerable.Range(0, 30).Count(i => harness.TryConnect(overUnix ? Unix(Other, 100 + i) : Tcp(Other)).Served is not null);
        served.Should().Be(overUnix ? 4 : 8, "over TCP four are let in before anybody asks whose they are");
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("PeerLimitReached");
        harness.TryConnect(overUnix ? Unix(Other + 1) : Tcp(Other + 1)).Served.Should().NotBeNull();
        for (int i = 0; i < 20; i++)
        {
            harness.TryConnect(overUnix ? Unix(PosixFile.OwnUserId, 100 + i) : Tcp(PosixFile.OwnUserId)).Served.Should().NotBeNull();
        }
    }

    [Theory]
    [InlineData(40, 256, 10)]
    [InlineData(40, 5, 5)]
    [InlineData(40, 0, 0)]
    public async Task KeptConnections_OfManyOthers_AreThereForUnixPeersAndForTheDaemonsUser(int all, int wanted, int kept)
    {
        await using Harness harness = new(new PortmapServerOptions { MaxConnections = all, KeptConnections = wanted });
        Peers(i => Tcp(Other + (uint)i)).Should().Be(all - (2 * kept));
        Peers(i => Unix(Other + (uint)i)).Should().Be(kept);
        Peers(i => i % 2 == 0 ? Unix(PosixFile.OwnUserId, 100 + i) : Tcp(0)).Should().Be(kept);
        harness.Logs.Warnings.Should().ContainSingle().Which.Text.Should().Contain("KeptConnections").And.Contain($"{kept} are kept");

        int Peers(Func<int, Peer> peer) => Enumerable.Range(0, 100).Count(i => harness.TryConnect(peer(i)).Served is not null);
    }

    [Fact]
    public async Task Connections_ThatEnd_GiveTheirSeatsBack()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxConnections = 8, KeptConnections = 2, MaxConnectionsPerPeer = 2 });
        for (int round = 0; round < 20; round++)
        {
            List<(PairStream Client, Task Served)> open = [];
            foreach (Peer peer in new[] { Tcp(Other), Tcp(Other), Tcp(Other), Unix(Other + 1), Unix(Other + 1), Unix(0, 1), Unix(0, 1), Unix(0, 2) })
            {
                open.Add(harness.Connect(peer));
            }

            harness.TryConnect(Unix(0, 3)).Served.Should().BeNull();
            foreach ((PairStream client, Task served) in open)
            {
                client.End();
                await served.Within();
            }
        }
    }

    private static Peer Unix(uint? user, int process = 0) => new("unix peer", process == 0 ? Environment.ProcessId : process, Sight: null) { Trust = s_trust, IsUnix = true, UserId = user };

    private static Peer Tcp(uint? user) => new("127.0.0.1:1", 0, Sight: null) { Trust = s_trust, Origin = "127.0.0.1", UserId = user };

    /// <summary>A peer of another host, whose user nobody knows.</summary>
    private static Peer Remote(int number) => new($"remote {number}", 0, Sight: null) { Trust = s_trust, AllowUnknownUser = true };

    private static OwnerShare Rejoin(UserShares shares, Peer peer)
    {
        OwnerShare share = shares.Join(peer)!;
        shares.Leave(share);
        return share;
    }

    private static async Task<int> GrantedAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            await ask().Within();
            return 1;
        }
        catch (PortRefusedException)
        {
            return 0;
        }
    }

    private static async Task RefusedAsync<T>(Func<Task<T>> ask, params string[] named)
    {
        Func<Task> asking = () => ask().Within();
        PortRefusal refusal = (await asking.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.TooManyOwners);
        refusal.Message.Should().ContainAll(named).And.Contain("release one");
    }
}
