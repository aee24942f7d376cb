using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Processes;
using Portmap.Rpc.Calling;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests.Peers;

/// <summary>Who may change what: the kernel says who calls, the options say what that is
/// worth.</summary>
public class TrustTests
{
    private const uint Nobody = 65_534;
    private const int Stranger = 1;   // a process id that is not ours
    private const string Own = "198.51.100.1";   // an end of ours that other hosts can reach

    private static readonly IPEndPoint s_loopback = new(IPAddress.Loopback, 40_000);

    private static readonly byte[] s_claim = [.. Wire.Text("b1"), .. Wire.Words(49200, 0, 0, 0)];

    public static TheoryData<string, uint, uint, byte[]> Changes { get; } = new()
    {
        { "acquire", Wire.Portmap, PortmapProcedure.Acquire, [.. Wire.Text("b1"), .. Wire.Words(0, 0xffff_ffff, 0, 0)] },
        { "acquire in the fleet", Wire.Portmap, PortmapProcedure.AcquireFleet, [.. Wire.Text("b1"), .. Wire.Words(0, 0xffff_ffff, 0, 0)] },
        { "acquire unless served", Wire.Portmap, PortmapProcedure.AcquireUnlessServed, [.. Wire.Text("b1"), .. Wire.Words(0, 0xffff_ffff, 0, 0)] },
        { "register", Wire.Portmap, PortmapProcedure.Register, [.. s_claim, .. Wire.Words(0)] },
        { "bind failed", Wire.Portmap, PortmapProcedure.BindFailed, [.. s_claim, .. Wire.Words(0, 0)] },
        { "extend", Wire.Portmap, PortmapProcedure.Extend, [.. Wire.Text("b1"), .. Wire.Words(0, 0, 0, 0, 1_000)] },
        { "release", Wire.Portmap, PortmapProcedure.Release, s_claim },
        { "Gluster's sign-in", Wire.Gluster, 4, [.. Wire.Text("b1"), .. Wire.Words(49200, 0)] },
        { "Gluster's sign-out", Wire.Gluster, 5, [.. Wire.Text("b1"), .. Wire.Words(49200, 0)] },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Change_ByAnotherUser_IsRefusedByTypeAndTheMapStaysAsItIs(string what, uint program, uint procedure, byte[] arguments)
    {
        await using Harness harness = new();
        await using PortmapClient owner = harness.OpenClient(harness.Context.Trust.OfUnix(Environment.ProcessId, PosixFile.OwnUserId));
        PortEntry entry = await owner.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        PairStream stranger = harness.Open(harness.Context.Trust.OfUnix(Stranger, Nobody));

        byte[] answer = await stranger.ExchangeAsync(Wire.Call(1, program, procedure, arguments));

        byte[] expected = program == Wire.Gluster ? Wire.Words(0xffff_ffff, 1) : Wire.Words(1, (uint)PortRefusalReason.NotPermitted);
        answer.AsSpan(24, 8).ToArray().Should().Equal(expected, "{0} is a change", what);
        (await owner.GetEntryAsync("b1").Within()).Should().Be(entry);
    }

    [Fact]
    public async Task Reading_ByAnotherUser_IsServed()
    {
        await using Harness harness = new();
        await using PortmapClient owner = harness.OpenClient();
        PortEntry entry = await owner.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        await using PortmapClient stranger = harness.OpenClient(harness.Context.Trust.OfUnix(Stranger, Nobody));

        (await stranger.GetEntryAsync("b1").Within()).Should().Be(entry);
        (_, long revision) = await stranger.SnapshotAsync().Within();
        Task<PortUpdate> waiting = MapCalls.WaitForChangeAsync(stranger.Caller, revision, CancellationToken.None);
        await owner.RegisterAsync(new PortClaimRequest("b2", 49200)).Within();
        (await waiting.Within()).Changes.Should().ContainSingle();
        byte[] port = await harness.Open(harness.Context.Trust.OfUnix(Stranger, Nobody)).ExchangeAsync(Wire.Call(1, Wire.Gluster, 1, Wire.Text("b1")));
        port.Should().Equal(Wire.Success(1, Wire.Words(0, 0, 0, 49200)));
    }

    [Theory]
    [InlineData(0u, true)]
    [InlineData(1_000u, true)]
    [InlineData(1_001u, false)]
    [InlineData(Nobody, false)]
    public void User_OnAUnixSocket_MayChangeWhenItIsRootOrAllowed(uint user, bool mayChange)
    {
        Trust trust = new(new PortmapServerOptions { AllowedUserIds = { 1_000 } });
        trust.OfUnix(Stranger, user).MayChange.Should().Be(mayChange);
        trust.OfUnix(Stranger, PosixFile.OwnUserId).MayChange.Should().BeTrue();
    }

    [Fact]
    public async Task AllowAcquire_Off_LeavesAcquiringToTheDaemonsOwnProcess()
    {
        await using Harness harness = new(new PortmapServerOptions { AllowAcquire = false });
        Trust trust = harness.Context.Trust;
        await using PortmapClient worker = harness.OpenClient(trust.OfUnix(Stranger, PosixFile.OwnUserId));
        Func<Task> acquire = () => worker.AcquireAsync("b1").Within();
        (await acquire.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.NotPermitted);
        await using PortmapClient daemon = harness.OpenClient(trust.OfUnix(Environment.ProcessId, PosixFile.OwnUserId));
        (await daemon.AcquireAsync("b1").Within()).State.Should().Be(PortState.Reserved);
        trust.OfTcp(s_loopback, s_loopback, new CountedSight(PosixFile.OwnUserId)).MayAcquire.Should().BeFalse();
    }

    [Fact]
    public async Task AllowAcquire_Off_HealsABindFailureOfTheDaemonsLeaseAndGivesNoOther()
    {
        await using Harness harness = new(new PortmapServerOptions { AllowAcquire = false });
        Peer peer = harness.Context.Trust.OfUnix(Environment.ProcessId, PosixFile.OwnUserId) with { AllowAcquire = false };
        await using PortmapClient worker = harness.OpenClient(peer);
        PortLease lease = await harness.Registry.AcquireAsync(new PortRequest("b1") { Strategy = PortRegistryOptions.AllocatorPicks });

        PortEntry healed = await worker.ReportBindFailureAsync(new PortClaimRequest("b1", lease.Port) { Epoch = lease.Epoch }).Within();
        healed.Port.Should().Be(lease.Port).And.NotBe(0);
        await worker.RegisterAsync(new PortClaimRequest("b1", healed.Port) { Epoch = healed.Epoch }).Within();

        foreach ((string owner, long? epoch) in ((string, long?)[])[("b1", null), ("b1", healed.Epoch + 16), ("b1", long.MaxValue), ("b2", null), ("b2", long.MaxValue)])
        {
            Func<Task> report = () => worker.ReportBindFailureAsync(new PortClaimRequest(owner, 49200) { Epoch = epoch }).Within();
            (await report.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.NotPermitted, "{0} has no lease, whatever epoch {1} claims", owner, epoch);
        }

        harness.Registry.Snapshot().Entries.Should().NotContain(entry => entry.State == PortState.Reserved);
    }

    [Theory]
    [InlineData(PortRegistryOptions.AllocatorPicks)]
    [InlineData(PortRegistryOptions.ProcessBinds)]
    public async Task AllowAcquire_Off_HealsTheLeaseBesideARegistration(string strategy)
    {
        await using Harness harness = new(new PortmapServerOptions { AllowAcquire = false });
        Peer peer = harness.Context.Trust.OfUnix(Environment.ProcessId, PosixFile.OwnUserId) with { AllowAcquire = false };
        await using PortmapClient worker = harness.OpenClient(peer);
        await worker.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        PortLease lease = await harness.Registry.AcquireAsync(new PortRequest("b1") { Strategy = strategy });
        int failed = lease.Port == 0 ? 49201 : lease.Port;

        PortEntry healed = await worker.ReportBindFailureAsync(new PortClaimRequest("b1", failed) { Epoch = lease.Epoch }).Within();

        healed.Epoch.Should().Be(lease.Epoch);
        healed.State.Should().Be(PortState.Reserved);
    }

    [Fact]
    public void Endpoints_WhenNoneIsAskedFor_AreOneUnixSocketAndNoTcp()
    {
        new PortmapServerOptions().Endpoints.Should().BeEmpty();
        PortmapEndpoint.Default.ToString().Should().StartWith("unix:");
        PortmapEndpoint.Default.Address.Should().BeNull();
    }

    [Theory]
    [InlineData(true, 1_000u, "127.0.0.1", Own, true)]
    [InlineData(true, 1_001u, "127.0.0.1", Own, false)]
    [InlineData(true, 1_001u, "::1", "::1", false)]
    [InlineData(true, 0u, "::1", "::1", true)]
    [InlineData(true, null, "127.0.0.1", Own, false)]
    [InlineData(true, null, "::ffff:127.0.0.1", "::ffff:198.51.100.1", false)]
    [InlineData(true, null, Own, Own, false)]
    [InlineData(true, null, "192.0.2.1", Own, true)]
    [InlineData(true, null, "2001:db8::1", "2001:db8::2", true)]
    [InlineData(true, null, "192.0.2.1", "127.0.0.1", false)]
    [InlineData(true, null, "::ffff:192.0.2.1", "::ffff:127.0.0.1", false)]
    [InlineData(true, null, "2001:db8::1", "::1", false)]
    [InlineData(true, 1_000u, "192.0.2.1", "127.0.0.1", true)]
    [InlineData(true, 1_001u, "192.0.2.1", Own, false)]
    [InlineData(false, 0u, "127.0.0.1", Own, false)]
    [InlineData(false, null, "192.0.2.1", Own, false)]
    public void Peer_OverTcp_IsTrustedAsFarAsItsUserIs(bool allowChanges, uint? user, string address, string own, bool mayChange)
    {
        Trust trust = new(new PortmapServerOptions { AllowTcpChanges = allowChanges, AllowedUserIds = { 1_000 } });
        Peer peer = trust.OfTcp(new IPEndPoint(IPAddress.Parse(address), 40_000), new IPEndPoint(IPAddress.Parse(own), 24_007), new CountedSight(user));
        peer.MayChange.Should().Be(mayChange);
        peer.MayAcquire.Should().Be(mayChange);
        peer.ProcessId.Should().Be(0);
        peer.Origin.Should().Be(address);
    }

    [Fact]
    public void Peer_OverTcp_IsLookedAtOnceAndOnceForEachProcess()
    {
        CountedSight sight = new(PosixFile.OwnUserId);
        Peer peer = new Trust(new PortmapServerOptions()).OfTcp(s_loopback, s_loopback, sight);
        peer.Name.Should().Be("127.0.0.1:40000");
        sight.Looks.Should().Be(0, "nothing was to be changed yet");

        for (int i = 0; i < 100; i++)
        {
            peer.DemandChange("b1");
            peer.Resolve(CountedSight.Holder).Should().Be(CountedSight.Holder);
            peer.Resolve(CountedSight.Holder + 1).Should().Be(0);
        }

        sight.Looks.Should().Be(1);
        sight.Asked.Should().HaveCount(101, "one that holds has a session, and is not resolved again").And.Subject.Count(asked => asked != CountedSight.Holder).Should().Be(1);
        peer.Name.Should().Contain($"uid {PosixFile.OwnUserId}");
    }

    /// <summary>A daemon that listens on every address is reached from one address of its host at
    /// another.</summary>
    [Fact]
    public void Peer_OverTcpFromAnAddressOfThisHostThatTheKernelDoesNotKnow_ChangesNothing()
    {
        Trust trust = new(new PortmapServerOptions());
        foreach (IPAddress address in NetworkInterface.GetAllNetworkInterfaces().Where(one => one.OperationalStatus == OperationalStatus.Up).SelectMany(one => one.GetIPProperties().UnicastAddresses).Select(one => one.Address))
        {
            IPEndPoint own = new(IPAddress.Parse(address.AddressFamily == AddressFamily.InterNetwork ? Own : "2001:db8::2"), 24_007);

            Peer peer = trust.OfTcp(new IPEndPoint(address, 1), own);

            peer.MayChange.Should().BeFalse("{0} is this host's, and its user closed the connection", address);
        }
    }

    [Fact]
    public void Peer_OverTcpWhoseHostIsNotKnown_IsLookedForUntilItIsAndThenNoMore()
    {
        HostSight sight = new();
        Peer peer = new Trust(new PortmapServerOptions()).OfTcp(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 40_000), new IPEndPoint(IPAddress.Parse(Own), 24_007), sight);

        peer.MayChange.Should().BeFalse("there was no descriptor to ask by");
        peer.MayChange.Should().BeTrue();
        peer.MayAcquire.Should().BeTrue();

        sight.Asked.Should().Be(2);
    }

    [Fact]
    public void Peer_ThatCouldNotBeLookedAt_IsLookedAtAgainAndThenNoMore()
    {
        LateSight sight = new();
        Peer peer = new("tcp peer", 0, sight) { Trust = new Trust(new PortmapServerOptions()) };

        peer.UserId.Should().BeNull("the kernel could not be asked");
        peer.UserId.Should().Be(4_001u);
        peer.UserId.Should().Be(4_001u);

        sight.Looks.Should().Be(2);
    }

    [Fact]
    public void Peer_WhoseClaimCouldNotBeLookedAt_IsLookedAtAgain()
    {
        LateSight sight = new();
        Peer peer = new("tcp peer", 0, sight) { Trust = new Trust(new PortmapServerOptions()) };

        peer.Resolve(77).Should().Be(0, "the socket could not be looked for");
        peer.Resolve(77).Should().Be(0, "the descriptors could not be read");
        peer.Resolve(77).Should().Be(77);
    }

    [Fact]
    public async Task Change_OverAConnectionWhoseProcessIsGoneAndItsNumberAnothers_IsOfNobodyKnown()
    {
        await using Harness harness = new(new PortmapServerOptions { AllowedUserIds = { 4_001, Nobody } });
        Trust trust = harness.Context.Trust;
        await using PortmapClient owner = harness.OpenClient(trust.OfUnix(Environment.ProcessId, 4_001));
        PortEntry entry = await owner.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        Peer connected = trust.OfUnix(Environment.ProcessId, Nobody);
        await using PortmapClient child = harness.OpenClient(connected with { ProcessStart = connected.ProcessStart - 1 });

        foreach (long? epoch in (long?[])[null, entry.Epoch])
        {
            Func<Task> release = () => child.ReleaseAsync(new PortClaimRequest("b1", 49200) { Epoch = epoch }).Within();
            (await release.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.NotOwner);
        }

        (await child.RegisterAsync(new PortClaimRequest("b2", 49201)).Within()).ProcessId.Should().BeNull();
        (await child.RegisterAsync(new PortClaimRequest("b3", 49202)).Within()).ProcessId.Should().BeNull();
        (await owner.GetEntryAsync("b1").Within()).Should().Be(entry);
    }

    [Fact]
    public void Process_OfAPeerThatMayChangeSomethingAndIsNotOurs_IsKnownByItsStart()
    {
        Trust trust = new(new PortmapServerOptions { AllowedUserIds = { 4_001 } });

        trust.OfUnix(Environment.ProcessId, 4_001).ProcessStart.Should().BePositive();
        trust.OfUnix(Environment.ProcessId, Nobody).ProcessStart.Should().BeNull("it only looks up");
        trust.OfUnix(Environment.ProcessId, 0).ProcessStart.Should().BeNull("root may speak for anybody");
        trust.OfUnix(0, 4_001).ProcessStart.Should().BeNull("the kernel does not name it");
    }

    [Fact]
    public void StartOf_ThisProcess_IsOnlyItsOwn()
    {
        long start = ProcessStat.StartOf(Environment.ProcessId)!.Value;

        start.Should().Be(long.Parse(File.ReadAllText("/proc/self/stat").Split(") ")[^1].Split(' ')[19], System.Globalization.CultureInfo.InvariantCulture)).And.BePositive();
        ProcessStat.StartOf(1).Should().NotBe(start);
        ProcessStat.StartOf(int.MaxValue).Should().Be(0);
    }

    [Fact]
    public void Peer_ThatClaimsManyProcesses_IsNotLookedAtForEver()
    {
        CountedSight sight = new(PosixFile.OwnUserId);
        Peer peer = new Trust(new PortmapServerOptions()).OfTcp(s_loopback, s_loopback, sight);

        for (int i = 0; i < 10_000; i++)
        {
            peer.Resolve(1_000_000 + i).Should().Be(0);
        }

        sight.Asked.Should().HaveCountLessThanOrEqualTo(16);
    }

    [Fact]
    public async Task Program_OfTheHost_IsToldWhetherItsCallerMayChange()
    {
        PortmapServerOptions options = new() { Programs = { new AskingProgram() } };
        await using Harness harness = new(options);
        byte[] call = Wire.Call(1, AskingProgram.Id, 1);
        (await harness.Open(harness.Context.Trust.OfUnix(Stranger, Nobody)).ExchangeAsync(call)).Should().Equal(Wire.Success(1, Wire.Words(0)));
        (await harness.Open(harness.Context.Trust.OfUnix(Stranger, 0)).ExchangeAsync(call)).Should().Equal(Wire.Success(1, Wire.Words(1)));
    }

    [Fact]
    public async Task Program_OfTheHost_IsNotToldTheNumberThatIsAnotherProcessesByNow()
    {
        await using Harness harness = new(new PortmapServerOptions { AllowedUserIds = { Nobody }, Programs = { new AskingProgram(version: 2) } });
        Peer connected = harness.Context.Trust.OfUnix(Environment.ProcessId, Nobody);
        byte[] call = Wire.Call(1, AskingProgram.Id, 2, 1, []);

        (await harness.Open(connected).ExchangeAsync(call)).Should().Equal(Wire.Success(1, Wire.Words((uint)Environment.ProcessId)));
        (await harness.Open(connected with { ProcessStart = connected.ProcessStart - 1 }).ExchangeAsync(call)).Should().Equal(Wire.Success(1, Wire.Words(0)));
    }

    /// <summary>A kernel that knows one user, and one process that has the socket.</summary>
    private sealed class CountedSight(uint? user) : PeerSight
    {
        public const int Holder = 77;

        public int Looks { get; private set; }

        public List<int> Asked { get; } = [];

        public override bool TryLook(out PeerSocket? socket)
        {
            Looks++;
            socket = user is { } known ? new PeerSocket(known, 1) : null;
            return true;
        }

        public override bool? Holds(int processId, PeerSocket socket)
        {
            Asked.Add(processId);
            return processId == Holder;
        }
    }

    /// <summary>Tells what it is told: whether its caller may change anything, or which process that
    /// is.</summary>
    private sealed class AskingProgram(uint version = 1) : IRpcProgram
    {
        public const uint Id = 0x4321;

        public uint Number => Id;

        public uint Version => version;

        public string Name => "Asking";

        public ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
        {
            if (version == 1)
            {
                request.WriteBoolean(request.MayChange);
            }
            else
            {
                request.WriteInt32(request.ProcessId ?? 0);
            }

            return ValueTask.FromResult(true);
        }
    }

    /// <summary>A peer of another host, which cannot be told the first time.</summary>
    private sealed class HostSight : PeerSight
    {
        public int Asked { get; private set; }

        public override bool TryLook(out PeerSocket? socket)
        {
            socket = null;
            return true;
        }

        public override bool? IsOfThisHost() => ++Asked > 1 ? false : null;
    }

    /// <summary>The kernel has no descriptor left the first time.</summary>
    private sealed class LateSight : PeerSight
    {
        private bool _isRead;

        public int Looks { get; private set; }

        public override bool? Holds(int processId, PeerSocket socket)
        {
            bool isRead = _isRead;
            _isRead = true;
            return isRead ? true : null;
        }

        public override bool TryLook(out PeerSocket? socket)
        {
            bool isSeen = ++Looks > 1;
            socket = isSeen ? new PeerSocket(4_001, 1) : null;
            return isSeen;
        }
    }
}
