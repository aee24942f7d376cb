using System.Globalization;
using Portmap.Guarding;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>Who has my port? Strangers in processes of their own, named by pid and
/// command.</summary>
public sealed class ForeignHolderTests
{
    [NeedsFact("python3")]
    public async Task Require_StrangersProcessHasThePort_TheRefusalNamesIt()
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range);
        using Child stranger = await ListeningChild.StartAsync(range.First);

        PortRefusal refusal = scene.AcquireRefused(new PortRequest("b1") { Previous = range.First, Reuse = PortReuse.Require });

        refusal.ShouldExplain(PortRefusalReason.Foreign, range.First, $"(pid {stranger.Id}, python3)");
        refusal.HolderProcessId.Should().Be(stranger.Id);
    }

    [NeedsFact("python3")]
    public async Task Maintain_PortWasFoundInUse_TheLogNamesTheHolder()
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range);
        using Child stranger = await ListeningChild.StartAsync(range.First);
        scene.Acquire("b1").Port.Should().Be(range.Last);
        scene.AcquireRefused("b2").Reason.Should().Be(PortRefusalReason.Exhausted);
        scene.Log.Of("FoundForeign").Should().ContainSingle();
        scene.Log.Of("ForeignHolder").Should().BeEmpty("looking at all processes is nothing for an acquisition");

        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        await Eventually.TrueAsync(() => scene.Log.Of("ForeignHolder").Count != 0);
        scene.Log.Of("ForeignHolder").Should().ContainSingle().Which.Should()
            .ContainAll(range.First.ToString(CultureInfo.InvariantCulture), stranger.Id.ToString(CultureInfo.InvariantCulture), "python3");
    }

    [NeedsFact("python3")]
    public async Task ReportBindFailure_AttemptsExhausted_ListsEveryPortAndWhoHeldIt()
    {
        PortRange range = PortBlock.Take(4);
        await using Scene scene = Scene.OnRealPorts(range, options => (options.Guard, options.BindAttempts) = (PortGuardMode.None, 3));
        PortLease lease = scene.Acquire("b1");
        List<Child> strangers = [];
        List<object> named = [3];
        PortRefusal? refusal = null;
        while (refusal is null)
        {
            // Not guarded: somebody is faster each time.
            int port = lease.Port;
            Child stranger = await ListeningChild.StartAsync(port);
            strangers.Add(stranger);
            named.Add($"{port} (pid {stranger.Id}, python3)");
            try
            {
                await lease.ReportBindFailureAsync().AsTask().Within();
            }
            catch (PortRefusedException refused)
            {
                refusal = refused.Refusal;
            }
        }

        named.Should().HaveCount(4);
        refusal.ShouldExplain(PortRefusalReason.AttemptsExhausted, [.. named]);
        refusal.HolderProcessId.Should().Be(strangers[^1].Id);
        strangers.ForEach(stranger => stranger.Dispose());
    }

    [NeedsTheory("python3")]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task Require_ForBothProtocolsAndAStrangerHasOne_TheRefusalNamesIt(PortProtocol taken)
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Puppet stranger = Puppet.Start();
        (await stranger.OpenAsync("a", new Place("0.0.0.0"), range.First, reuse: false, udp: taken == PortProtocol.Udp)).Should().Be("ok");

        PortRefusal refusal = scene.AcquireRefused(new PortRequest("b1") { Previous = range.First, Reuse = PortReuse.Require, Protocol = PortProtocol.TcpAndUdp });

        refusal.ShouldExplain(PortRefusalReason.Foreign, range.First, $"(pid {stranger.Id}, ");
        refusal.HolderProcessId.Should().Be(stranger.Id);
    }

    [Fact]
    public async Task Acquire_ForBothProtocolsAndUdpIsFull_TheRefusalSaysSo()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Stranger stranger = Stranger.OnUdp(range.First);

        scene.AcquireRefused(new PortRequest("b1") { Protocol = PortProtocol.TcpAndUdp })
            .ShouldExplain(PortRefusalReason.Exhausted, "Udp: 0 are bound, 0 reserved, 0 cooling, 1 foreign");
    }

    [NeedsFact("python3")]
    public async Task Of_WhileAPassLooks_NamesTheHolder()
    {
        int port = PortBlock.TakeOne();
        using Child stranger = await ListeningChild.StartAsync(port);
        ForeignHolders holders = new(null);
        Task passes = Task.Run(() =>
        {
            for (int i = 0; i < 20; i++)
            {
                holders.Want(PortProtocol.Tcp, port);
                holders.LookUpWanted((_, _, _, _) => { });
            }
        });

        int? named = stranger.Id;
        while (!passes.IsCompleted && named == stranger.Id)
        {
            named = holders.Of(PortProtocol.Tcp, port)[0]?.ProcessId;
        }

        await passes.Within(TimeSpan.FromMinutes(2));
        named.Should().Be(stranger.Id);
    }

    [NeedsFact("python3")]
    public async Task Want_PortIsFoundInUseAgain_ItsFormerHolderIsForgotten()
    {
        int port = PortBlock.TakeOne();
        ForeignHolders holders = new(null);
        using (Child former = await ListeningChild.StartAsync(port))
        {
            holders.Of(PortProtocol.Tcp, port)[0]!.ProcessId.Should().Be(former.Id);
        }

        using Child stranger = await ListeningChild.StartAsync(port);
        holders.Want(PortProtocol.Tcp, port);

        holders.Of(PortProtocol.Tcp, port)[0]!.ProcessId.Should().Be(stranger.Id);
    }

    [Fact]
    public async Task Require_StrangerIsThisProcess_IsNamedToo()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Stranger stranger = Stranger.Listening(range.First);

        scene.AcquireRefused(new PortRequest("b1") { Previous = range.First, Reuse = PortReuse.Require }).HolderProcessId.Should().Be(Environment.ProcessId);
    }

    [Fact]
    public async Task Require_StrangerIsBoundAndSilent_IsNamedWhereTheKernelTellsOfIt()
    {
        // Such a socket is in /proc/net never, and in the list of sock_diag since Linux 6.8.
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using System.Net.Sockets.Socket? silent = Knock.TryTake(range.First, reuse: false, listen: false);

        PortRefusal refusal = scene.AcquireRefused(new PortRequest("b1") { Previous = range.First, Reuse = PortReuse.Require });

        bool isTold = OperatingSystem.IsOSPlatformVersionAtLeast("Linux", 6, 8);
        refusal.ShouldExplain(PortRefusalReason.Foreign, range.First).HolderProcessId.Should().Be(isTold ? Environment.ProcessId : 0);
    }
}
