using System.Diagnostics;
using Portmap.Rpc.Protocol;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Programs;

/// <summary>Who releases what another process serves stands in the log, with whom and what.</summary>
public sealed class ReleasedForAnotherTests
{
    private const string Line = "ReleasedForAnother";

    [NeedsFact("sleep")]
    public async Task Release_OfWhatAnotherProcessServes_IsLogged()
    {
        await using Harness harness = new();
        int port = PortBlock.TakeOne();
        await using ChildProcess process = ChildProcess.Start(new ProcessStartInfo("sleep"), "600");
        await using PortSession other = harness.Registry.OpenSession(process.Id);
        other.TryRegister(new PortClaimRequest("b1\u001b", port), out PortEntry entry, out PortRefusal? refusal).Should().BeTrue("{0}", refusal?.Message);
        await using PortmapClient client = harness.OpenClient();

        await client.ReleaseAsync(new PortClaimRequest("b1\u001b") { Epoch = entry.Epoch }).Within();

        harness.Logs.Lines.Should().ContainSingle(line => line.Id.Name == Line).Which.Text
            .Should().StartWith(Harness.Known.Name).And.Contain($@"released b1\u001B on {port}/Tcp, which process {process.Id} served");
    }

    [NeedsFact("sleep")]
    public async Task Release_OfWhatAChildRegisteredOverTheConnection_IsNot()
    {
        await using Harness harness = new();
        await using ChildProcess child = ChildProcess.Start(new ProcessStartInfo("sleep"), "600");
        PairStream client = harness.Open(Harness.Forked);
        byte[] claim = [.. Wire.Text("b1"), .. Wire.Words((uint)PortBlock.TakeOne(), 0, 0, (uint)PortProtocol.Tcp)];
        await client.ExchangeAsync(Wire.Call(1, Wire.Portmap, PortmapProcedure.Register, [.. claim, .. Wire.Words((uint)child.Id)]));
        harness.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        entry.ProcessId.Should().Be(child.Id);

        await client.ExchangeAsync(Wire.Call(2, Wire.Portmap, PortmapProcedure.Release, claim));

        harness.Registry.TryGetPort("b1", out _).Should().BeFalse();
        harness.Logs.Lines.Should().NotContain(line => line.Id.Name == Line);
    }

    [Fact]
    public async Task Release_OfOnesOwn_IsNot()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await client.RegisterAsync(new PortClaimRequest("b1", PortBlock.TakeOne())).Within();

        await client.ReleaseAsync(new PortClaimRequest("b1")).Within();

        harness.Logs.Lines.Should().NotContain(line => line.Id.Name == Line);
    }
}
