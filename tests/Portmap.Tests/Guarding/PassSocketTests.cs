using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portmap.Guarding;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary><see cref="PortGuardMode.PassSocket"/>: the placeholder listens, and stays over the
/// death of the process. Real programs that take it are tested with the other real
/// processes.</summary>
[Collection(AloneCollection.Name)]
public sealed class PassSocketTests
{
    private static readonly PortRequest s_request = new("b1") { Guard = PortGuardMode.PassSocket };

    [Fact]
    public async Task Acquire_PassSocketWhereProcessesBringTheirPorts_HasANumberAndListens()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Strategy = PortRegistryOptions.ProcessBinds);

        PortLease lease = scene.Acquire(s_request);

        (lease.Port, lease.Strategy, lease.Guarantee).Should().Be((range.First, PortRegistryOptions.AllocatorPicks, PortGuarantee.Exclusive));
    }

    [Fact]
    public async Task Acquire_PassSocket_ListensAndAnExpiryEndsThat()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(s_request);
        (await Knock.ConnectsAsync(lease.Port)).Should().BeTrue();
        lease.OpenGate();
        lease.Guarantee.Should().Be(PortGuarantee.Exclusive, "there is no gate");

        scene.Clock.Advance(scene.Options.LeaseTimeout + TimeSpan.FromSeconds(2));

        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);
        scene.Registry.Guard.Count.Should().Be(0);
        (await Knock.ConnectsAsync(lease.Port)).Should().BeFalse();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task Expiry_ItsProgramHasTheSocket_ThePortIsForeign(PortProtocol protocol)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(s_request with { Protocol = protocol });
        ProcessStartInfo start = new("/bin/sleep", ["600"]);
        lease.PrepareStart(start);
        using Child program = new(lease.Start(start));

        scene.Clock.Advance(scene.Options.LeaseTimeout + TimeSpan.FromSeconds(2));

        await Eventually.TrueAsync(() => scene.StateOf(lease.Port, protocol) == PortState.Foreign);   // the program listens on it
    }

    [Theory]
    [InlineData(PortGuardMode.PassSocket, true)]
    [InlineData(PortGuardMode.WhileAlive, false)]
    public async Task Death_ThenTheNextLease_TakesTheListenerOverOrHasAnother(PortGuardMode next, bool listens)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(s_request);
        Child child = scene.StartChild();
        PortSession session = scene.SessionOf(child);
        session.Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.Exclusive);
        child.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);
        scene.Registry.TryGetPort("b1", out _).Should().BeFalse();
        (await Knock.ConnectsAsync(lease.Port)).Should().BeTrue("the daemon goes on listening");

        PortLease again = scene.Acquire(s_request with { Guard = next });

        again.Port.Should().Be(lease.Port);
        again.Guarantee.Should().Be(listens ? PortGuarantee.Exclusive : again.Guarantee);
        (await Knock.ConnectsAsync(lease.Port)).Should().Be(listens);
    }

    [Fact]
    public async Task Death_NobodyComesForReuseDelay_TheListenerGoes()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(s_request);
        Child child = scene.StartChild();
        scene.SessionOf(child).Register("b1", lease.Port, lease.Epoch);
        child.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);

        scene.Clock.Advance(scene.Options.ReuseDelay + TimeSpan.FromSeconds(2));

        await Eventually.TrueAsync(() => scene.Registry.Guard.Count == 0);
        (await Knock.ConnectsAsync(lease.Port)).Should().BeFalse();
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task Register_OnThePortOfAnothersSocket_NeedsThatSocket(PortProtocol protocol)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(s_request with { Protocol = protocol });
        Child other = scene.StartChild();
        await using PortSession unknown = scene.Registry.OpenSession(null);
        PortSession[] thieves = [scene.Here, scene.SessionOf(other), unknown];
        foreach (PortSession thief in thieves)
        {
            thief.RegisterRefused("thief", lease.Port, protocol: protocol).ShouldExplain(PortRefusalReason.NotListening, "thief", lease.Port, "The daemon listens");
        }

        scene.OwnersOn(lease.Port, protocol).Should().Equal("b1");
        scene.StateOf(lease.Port, protocol).Should().Be(PortState.Reserved, "the lease stands");
        scene.Registry.Guard.Count.Should().Be(1);

        ProcessStartInfo start = new("/bin/sleep", ["600"]);
        lease.PrepareStart(start);
        using Child program = new(lease.Start(start));
        PortSession session = scene.SessionOf(program);
        session.Register("b1", lease.Port, lease.Epoch, protocol).State.Should().Be(PortState.Bound);
        session.Register("b2", lease.Port, protocol: protocol).State.Should().Be(PortState.Bound, "its process has the socket");
        foreach (PortSession thief in thieves)
        {
            thief.RegisterRefused("thief", lease.Port, protocol: protocol);
        }

        program.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port, protocol) == PortState.Cooling);

        foreach (PortSession thief in thieves)
        {
            thief.RegisterRefused("thief", lease.Port, protocol: protocol).ShouldExplain(PortRefusalReason.NotListening, "thief", lease.Port);
        }

        scene.Registry.Guard.Count.Should().Be(1, "it is kept for its owner");
    }

    [Fact]
    public async Task Release_ItsConnectionsLinger_ThePortCanBeBoundAgain()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire(s_request);
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.Loopback, lease.Port).Within();
        using (Socket served = await scene.Registry.Parts.Guard.Passed(lease.Claim.Guarded)!.AcceptAsync().Within())
        {
            served.Shutdown(SocketShutdown.Both);   // who closes first is left in TIME_WAIT
        }

        (await client.ReceiveAsync(new byte[1]).Within()).Should().Be(0);
        client.Shutdown(SocketShutdown.Both);
        lease.TryRelease(out _).Should().BeTrue();
        await Eventually.TrueAsync(() => ListenTable.HasConnections(lease.Port));

        Knock.GetsInSoon(lease.Port).Should().BeTrue("a server that sets SO_REUSEADDR starts at once");
    }

    [Fact]
    public async Task Acquire_ConnectionsOfAnEarlierServerLinger_IsExclusive()
    {
        PortRange range = PortBlock.Take(1);
        await TimeWait.LeaveAsync(range.First);
        await Eventually.TrueAsync(() => !ListenTable.Read(PortProtocol.Tcp).Listens(range.First));
        await using Scene scene = Scene.OnRealPorts(range);

        PortLease lease = scene.Acquire(s_request);

        lease.Guarantee.Should().Be(PortGuarantee.Exclusive);
        Knock.GetsIn(lease.Port).Should().BeFalse();
    }

    [Fact]
    public async Task Acquire_PassSocketOfAPortThatAStrangerListensOn_IsRefused()
    {
        PortRange range = PortBlock.Take(1);
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        stranger.Bind(new IPEndPoint(IPAddress.Loopback, range.First));
        stranger.Listen();
        await using Scene scene = Scene.OnRealPorts(range);

        scene.AcquireRefused(s_request with { Reuse = PortReuse.Require, Previous = range.First }).Reason.Should().Be(PortRefusalReason.Foreign);
    }

    [NeedsTheory("python3")]
    [InlineData("s.shutdown(socket.SHUT_RDWR)")]
    [InlineData("import ctypes; ctypes.CDLL(None).connect(3, bytes(16), 16)")]   // AF_UNSPEC
    public async Task Death_TheProgramHadShutItsListenerDown_ItListensAgainAndSoDoesTheNextLease(string doing)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        (PortLease lease, Child program, _) = await StartAsync(scene, doing);
        (await Knock.ConnectsAsync(lease.Port)).Should().BeFalse("nobody listens");
        await DieAsync(scene, lease, program);
        (await Knock.ConnectsAsync(lease.Port)).Should().BeTrue("the daemon goes on listening");

        PortLease again = scene.Acquire(s_request);

        (again.Port, again.Guarantee).Should().Be((lease.Port, PortGuarantee.Exclusive));
        (await Knock.ConnectsAsync(lease.Port)).Should().BeTrue();
        Knock.GetsIn(lease.Port).Should().BeFalse();
    }

    [NeedsFact("python3")]
    public async Task Death_TheProgramHadConnectedItsUdpSocket_TheNextLeaseTakesFromAnybody()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        (PortLease lease, Child program, _) = await StartAsync(scene, "s.connect(('::1', 9))", PortProtocol.Udp);
        await DieAsync(scene, lease, program);

        PortLease again = scene.Acquire(s_request with { Protocol = PortProtocol.Udp });

        (again.Port, again.Guarantee).Should().Be((lease.Port, PortGuarantee.Exclusive));
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await client.SendToAsync(new byte[1], new IPEndPoint(IPAddress.Loopback, lease.Port)).Within();
        (await scene.Registry.Parts.Guard.Passed(again.Claim.Guarded)!.ReceiveAsync(new byte[2]).Within()).Should().Be(1);
    }

    [NeedsFact("python3")]
    public async Task Death_SomebodyListensWhereTheProgramHadShutDown_TheNextLeaseIsRefused()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        (PortLease lease, Child program, _) = await StartAsync(scene, "s.shutdown(socket.SHUT_RDWR)");
        using Socket? thief = Knock.TryTake(lease.Port, IPAddress.Loopback);
        thief.Should().NotBeNull("what is bound, silent and has SO_REUSEADDR keeps nobody out");
        await DieAsync(scene, lease, program);

        scene.AcquireRefused(s_request with { Reuse = PortReuse.Require, Previous = lease.Port }).Reason.Should().Be(PortRefusalReason.Foreign);
    }

    [NeedsFact("python3")]
    public async Task Death_SomebodyIsBoundWhereTheProgramHadShutDown_CannotListenOnceItSaysExclusive()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        (PortLease lease, Child program, _) = await StartAsync(scene, "s.shutdown(socket.SHUT_RDWR)");
        using Socket thief = OfAGroup(), another = OfAGroup();
        thief.Bind(new IPEndPoint(IPAddress.Loopback, lease.Port));
        await DieAsync(scene, lease, program);

        scene.Acquire(s_request).Guarantee.Should().Be(PortGuarantee.Exclusive);

        FluentActions.Invoking(thief.Listen).Should().Throw<SocketException>("it would be another listener");
        FluentActions.Invoking(() => another.Bind(new IPEndPoint(IPAddress.Loopback, lease.Port))).Should().Throw<SocketException>("the mark that the thief left is gone");
    }

    [NeedsTheory("python3")]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task Death_AChildOfItStillHasTheSocket_TheNextLeaseIsRefused(PortProtocol protocol)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        (PortLease lease, Child program, int child) = await StartAsync(scene, "said=os.fork(); said or time.sleep(600)", protocol);
        try
        {
            await DieAsync(scene, lease, program);

            scene.AcquireRefused(s_request with { Protocol = protocol, Reuse = PortReuse.Require, Previous = lease.Port }).Reason.Should().Be(PortRefusalReason.Foreign);

            scene.Registry.Guard.Count.Should().Be(0);
        }
        finally
        {
            Programs.Kill(child);
        }
    }

    [NeedsFact("python3")]
    public async Task Start_TheLastProgramLeftItNonBlocking_ItBlocksAgain()
    {
        const string Flags = "import fcntl; said=1 if fcntl.fcntl(3, fcntl.F_GETFL) & os.O_NONBLOCK else 2";
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        (PortLease lease, Child program, int first) = await StartAsync(scene, $"s.setblocking(False); {Flags}");
        first.Should().Be(1);
        await DieAsync(scene, lease, program);

        (_, Child next, int second) = await StartAsync(scene, Flags);

        second.Should().Be(2, "a program that blocks in accept must not get EAGAIN");
        next.Dispose();
    }

    [NeedsFact("python3")]
    public async Task Program_SetsReusePort_NeitherItsEntryNorTheNextLeaseIsExclusive()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        (PortLease lease, Child program, _) = await StartAsync(scene, "s.setsockopt(1, 15, 1)");
        scene.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        using (Socket sibling = OfAGroup())
        {
            sibling.Bind(new IPEndPoint(IPAddress.Loopback, lease.Port));
            sibling.Listen();   // others of its user get in
        }

        entry.Guarantee.Should().Be(PortGuarantee.HeldByProcess);
        await DieAsync(scene, lease, program);

        scene.Acquire(s_request).Guarantee.Should().Be(PortGuarantee.HeldByProcess);
    }

    /// <summary>A program that does something with its socket, which is its s, and says a number
    /// above 0.</summary>
    private static async Task<(PortLease Lease, Child Program, int Said)> StartAsync(Scene scene, string doing, PortProtocol protocol = PortProtocol.Tcp)
    {
        using TempFolder folder = new();
        PortLease lease = scene.Acquire(s_request with { Protocol = protocol });
        ProcessStartInfo start = new(
            "python3",
            ["-c", $"import os,socket,sys,time; s=socket.socket(fileno=3); said=1; {doing}; f=open(sys.argv[1],'w'); f.write(str(said)); f.close(); os.rename(sys.argv[1],sys.argv[1]+'.whole'); time.sleep(600)", folder["said"]]);
        lease.PrepareStart(start);
        Child program = new(lease.Start(start));
        await Eventually.TrueAsync(() => File.Exists(folder["said.whole"]));
        scene.SessionOf(program).Register("b1", lease.Port, lease.Epoch, protocol);
        return (lease, program, int.Parse(await File.ReadAllTextAsync(folder["said.whole"]), System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>The program dies, and its port is kept.</summary>
    private static async Task DieAsync(Scene scene, PortLease lease, Child program)
    {
        program.Dispose();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port, lease.Protocol) == PortState.Cooling);
    }

    /// <summary>A socket with SO_REUSEADDR and SO_REUSEPORT.</summary>
    private static Socket OfAGroup()
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        Knock.SetReuse(socket, true);
        socket.SetRawSocketOption(1, 15, [1, 0, 0, 0]);
        return socket;
    }
}
