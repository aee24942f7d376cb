using System.Net;
using System.Net.Sockets;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>Only "address in use" is a stranger; every other error of binding has a reason and a
/// remedy of its own.</summary>
public sealed class BindErrorTests
{
    public static TheoryData<SocketError, PortRefusalReason, string, string> Errors { get; } = new()
    {
        { SocketError.AddressAlreadyInUse, PortRefusalReason.Foreign, "EADDRINUSE", "Stop who has it" },
        { SocketError.AccessDenied, PortRefusalReason.PortDenied, "EACCES", "CAP_NET_BIND_SERVICE" },
        { SocketError.AddressNotAvailable, PortRefusalReason.AddressUnavailable, "EADDRNOTAVAIL", "ip addr" },
        { SocketError.AddressFamilyNotSupported, PortRefusalReason.FamilyUnsupported, "EAFNOSUPPORT", "other family" },
        { SocketError.TooManyOpenSockets, PortRefusalReason.NoDescriptors, "EMFILE", "LimitNOFILE" },
        { SocketError.NoBufferSpaceAvailable, PortRefusalReason.NoMemory, "ENOBUFS", "Free memory" },
        { SocketError.SocketError, PortRefusalReason.NoMemory, "ENOMEM", "Free memory" },   // what .NET has no name for
    };

    [Theory]
    [MemberData(nameof(Errors))]
    public void CreateForBind_EachError_HasAReasonAndARemedyOfItsOwn(SocketError error, PortRefusalReason reason, string named, string remedy)
    {
        PortRefusal? refusal = PortRefusal.CreateForBind(new SocketException((int)error), "b1", 80, PortProtocol.Tcp, IPAddress.Loopback);

        refusal.ShouldExplain(reason, named, remedy, 80);
        refusal!.Owner.Should().Be("b1");
        (refusal.Message.Contains("Stop") || refusal.Message.Contains("stranger")).Should().Be(error == SocketError.AddressAlreadyInUse, "nobody is to be stopped");
    }

    [Fact]
    public void CreateForBind_RealSocketAtAnAddressOfAnother_IsAddressUnavailable()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Action bind = () => socket.Bind(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 0));

        PortRefusal.CreateForBind(bind.Should().Throw<SocketException>().Which, null, 0)!.Reason.Should().Be(PortRefusalReason.AddressUnavailable);
        PortRefusal.CreateForBind(new SocketException((int)SocketError.NotSocket), null, 1).Should().BeNull("that is no error of a port");
    }

    [NeedsFact("setpriv")]
    public async Task TryAcquire_WholeRangeIsPrivileged_IsDeniedAndNobodyIsToBeStopped()
    {
        foreach (string ports in (string[])["600-609", "1-3", "1023-1023"])
        {
            string[] said = await BindingDaemon.RunDeniedAsync(ports);

            int requests = PortRange.Parse(ports).Count + 2;
            said[..requests].Should().OnlyContain(line => line.StartsWith("PortDenied: ") && line.Contains("EACCES") && line.Contains("CAP_NET_BIND_SERVICE"));
            string.Join('\n', said).Should().NotContainAny("outside the registry", "Stop", "foreign", "Foreign");
            said.Should().ContainSingle(line => line.StartsWith("finding RangeNotBindable: all"));
            said.Count(line => line.StartsWith("row PortDenied: ") && line.Contains("CAP_NET_BIND_SERVICE")).Should().Be(requests > 3 ? 1 : 0, "a row is refused for the same reason");
        }
    }

    [NeedsFact("setpriv")]
    public async Task TryAcquire_PartOfTheRangeIsPrivileged_TheOthersAreGivenAndTheRefusalCountsThem()
    {
        string[] said = await BindingDaemon.RunDeniedAsync("1020-1026");

        said[..3].Select(line => line.Split(' ')[0]).Should().BeEquivalentTo("1024", "1025", "1026");
        said[3..8].Should().OnlyContain(line => line.StartsWith("Exhausted: ") && line.Contains("4 may not be bound by this user (EACCES)"));
        said[8].Should().StartWith("PortDenied: ").And.Contain("1020");
        said.Should().Contain(line => line.StartsWith("finding RangeNotBindable: some") && line.Contains("4 of 7")).And.NotContain(line => line.StartsWith("Foreign"));
    }

    [NeedsTheory("strace")]
    [InlineData("socket", "EMFILE", "EMFILE", "LimitNOFILE")]
    [InlineData("socket", "ENFILE", "ENFILE", "LimitNOFILE")]
    [InlineData("socket", "ENOBUFS", "ENOBUFS", "Free memory")]
    [InlineData("bind", "ENOMEM", "ENOMEM", "Free memory")]
    [InlineData("socket", "EAFNOSUPPORT", "EAFNOSUPPORT", "other family")]
    [InlineData("bind", "EADDRNOTAVAIL", "EADDRNOTAVAIL", "ip addr")]
    public async Task TryAcquire_NobodyCanBeAsked_TheLedgerAloneKnowsAndAFindingTellsWhy(string call, string error, string named, string remedy)
    {
        PortRange range = PortBlock.Take(2);

        string[] said = await BindingDaemon.RunFailingAsync(call, error, range.ToString());

        said[..range.Count].Should().OnlyContain(line => line.EndsWith(" LedgerOnly"));
        said.Should().ContainSingle(line => line.StartsWith("finding GuardUnavailable")).Which.Should().ContainAll(named, remedy);
        said.Should().NotContain(line => line.StartsWith("Foreign"));
    }

    [NeedsFact("strace")]
    public async Task TryAcquire_ASecurityPolicyForbidsEveryPort_IsDenied()
    {
        PortRange range = PortBlock.Take(3);

        string[] said = await BindingDaemon.RunFailingAsync("bind", "EACCES", range.ToString());

        said[..(range.Count + 2)].Should().OnlyContain(line => line.StartsWith("PortDenied: ") && line.Contains("security policy"));
        said.Should().NotContain(line => line.StartsWith("Foreign")).And.NotContain(line => line.Contains("Stop"));
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task ReportBindFailure_NobodyHasThePort_ItIsNoStrangers(PortProtocol protocol)
    {
        foreach (PortGuardMode mode in Enum.GetValues<PortGuardMode>().Where(mode => mode != PortGuardMode.PassSocket))   // which is no default
        {
            foreach (bool overSession in (bool[])[false, true])
            {
                await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => options.Guard = mode);
                PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = protocol });
                lease.OpenGate();
                int failed = lease.Port;
                Knock.GetsInSoon(failed, type: protocol == PortProtocol.Udp ? SocketType.Dgram : SocketType.Stream).Should().BeTrue();

                await (overSession ? scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", failed) { Epoch = lease.Epoch, Protocol = protocol }).AsTask() : lease.ReportBindFailureAsync().AsTask()).Within();

                lease.Port.Should().NotBe(failed);
                scene.StateOf(failed, protocol).Should().Be(PortState.Cooling, "mode {0}", mode);
                scene.Log.Of("FoundForeign").Should().BeEmpty();
            }
        }
    }

    [Theory]
    [InlineData(PortProtocol.Tcp, PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp, PortProtocol.Udp)]
    [InlineData(PortProtocol.Tcp, PortProtocol.TcpAndUdp)]
    [InlineData(PortProtocol.Udp, PortProtocol.TcpAndUdp)]
    public async Task ReportBindFailure_AStrangerHasThePort_ItIsForeign(PortProtocol protocol, PortProtocol leased)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => options.Guard = PortGuardMode.StepAside);
        PortLease lease = scene.Acquire(new PortRequest("b1") { Protocol = leased });
        lease.OpenGate();
        int failed = lease.Port;
        using Stranger stranger = protocol == PortProtocol.Udp ? Stranger.OnUdp(failed) : Stranger.Listening(failed);

        await lease.ReportBindFailureAsync().AsTask().Within();

        scene.StateOf(failed, protocol).Should().Be(PortState.Foreign);
        if (leased == PortProtocol.TcpAndUdp)
        {
            scene.StateOf(failed, protocol == PortProtocol.Tcp ? PortProtocol.Udp : PortProtocol.Tcp).Should().Be(PortState.Cooling, "nobody is there");
        }
    }

    [Fact]
    public async Task ReportBindFailure_OfAPortAProcessBroughtOrNobodyAcquired_IsForeignOnlyWhenALookAgrees()
    {
        PortRange range = PortBlock.Take(4);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Strategy = PortRegistryOptions.ProcessBinds);
        using Stranger stranger = Stranger.Listening(range.First);
        PortLease lease = scene.Acquire("b1");

        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", range.First) { Epoch = lease.Epoch }).AsTask().Within();
        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b1", range.First + 1) { Epoch = lease.Epoch }).AsTask().Within();
        await scene.Here.ReportBindFailureAsync(new PortClaimRequest("b2", range.First + 2)).AsTask().Within();

        Enumerable.Range(range.First, 3).Select(port => scene.StateOf(port)).Should().Equal(PortState.Foreign, PortState.Free, PortState.Free);
    }

    [Fact]
    public async Task ReportBindFailure_NobodyEverHasThePorts_EndsAfterTheAttempts()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(2), options => options.BindAttempts = 5);
        PortLease lease = scene.Acquire("b1");
        int reports = 0;
        PortRefusal? refusal = null;
        while (refusal is null && reports < 20)
        {
            reports++;
            try
            {
                await lease.ReportBindFailureAsync().AsTask().Within();
            }
            catch (PortRefusedException refused)
            {
                refusal = refused.Refusal;
            }
        }

        reports.Should().BeLessThanOrEqualTo(5);
        refusal.ShouldExplain(refusal!.Reason == PortRefusalReason.Exhausted ? PortRefusalReason.Exhausted : PortRefusalReason.AttemptsExhausted);
    }

    [NeedsFact("python3")]
    public async Task Require_AnOutgoingConnectionOrASilentSocketHasThePort_TheRefusalNamesItsProcess()
    {
        PortRange range = PortBlock.Take(3);
        await using Scene scene = Scene.OnRealPorts(new PortRange(range.First, range.First + 1));
        using Stranger server = Stranger.Listening(range.Last);
        using Puppet client = Puppet.Start(), silent = Puppet.Start();
        (await client.ConnectAsync("out", range.First, range.Last)).Should().Be("ok");
        (await silent.OpenAsync("silent", new Place("0.0.0.0"), range.First + 1, reuse: false, listen: false)).Should().Be("ok");

        PortRefusal connected = scene.AcquireRefused(new PortRequest("b1") { Previous = range.First, Reuse = PortReuse.Require });
        PortRefusal bound = scene.AcquireRefused(new PortRequest("b1") { Previous = range.First + 1, Reuse = PortReuse.Require });

        connected.ShouldExplain(PortRefusalReason.Foreign, range.First, $"(pid {client.Id}, python3)");
        connected.HolderProcessId.Should().Be(client.Id);
        bound.Reason.Should().Be(PortRefusalReason.Foreign);
        if (OperatingSystem.IsOSPlatformVersionAtLeast("Linux", 6, 8))
        {
            bound.HolderProcessId.Should().Be(silent.Id, "the kernel tells of it since 6.8");
        }
    }

    [NeedsFact("python3")]
    public async Task ReportBindFailure_OutgoingConnectionsHaveThePorts_TheErrorNamesTheirProcesses()
    {
        PortRange range = PortBlock.Take(4);
        await using Scene scene = Scene.OnRealPorts(new PortRange(range.First, range.First + 2), options => (options.Guard, options.BindAttempts) = (PortGuardMode.None, 2));
        using Stranger server = Stranger.Listening(range.Last);
        using Puppet client = Puppet.Start();
        PortLease lease = scene.Acquire("b1");
        (await client.ConnectAsync("one", lease.Port, range.Last)).Should().Be("ok");
        int first = lease.Port;
        await lease.ReportBindFailureAsync().AsTask().Within();
        (await client.ConnectAsync("two", lease.Port, range.Last)).Should().Be("ok");
        int second = lease.Port;

        PortRefusal refusal = await lease.ReportBindFailureAsync().RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.AttemptsExhausted, $"{first} (pid {client.Id}, python3)", $"{second} (pid {client.Id}, python3)");
        scene.StateOf(first).Should().Be(PortState.Foreign);
    }

    [Fact]
    public async Task TryAcquire_BothProtocolsAndUdpIsBusy_TheTcpHalfIsLetGoOf()
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range, options => options.Order = PortOrder.LowestFree);
        using Stranger stranger = Stranger.OnUdp(range.First);

        scene.Acquire(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp }).Port.Should().Be(range.Last);

        scene.Registry.Guard.Count.Should().Be(2, "one for each protocol of the port that was given");
        Knock.GetsInSoon(range.First, reuse: false).Should().BeTrue("nothing of ours is left on the other one");
        scene.Acquire("b2").Port.Should().Be(range.First);
    }
}
