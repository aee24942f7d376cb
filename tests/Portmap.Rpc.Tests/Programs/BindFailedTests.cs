using System.Buffers.Binary;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Protocol;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Programs;

/// <summary>
/// A report that binding failed says why: only "address in use" is a stranger, whose port is left
/// for another. What ails the user, the address or the host is refused by its own reason.
/// </summary>
public class BindFailedTests
{
    private const string Owner = "b1";

    [Theory]
    [InlineData(13, PortRefusalReason.PortDenied, "EACCES")]
    [InlineData(1, PortRefusalReason.PortDenied, "EACCES")]
    [InlineData(99, PortRefusalReason.AddressUnavailable, "EADDRNOTAVAIL")]
    [InlineData(97, PortRefusalReason.FamilyUnsupported, "EAFNOSUPPORT")]
    [InlineData(24, PortRefusalReason.NoDescriptors, "EMFILE")]
    [InlineData(23, PortRefusalReason.NoDescriptors, "ENFILE")]
    [InlineData(105, PortRefusalReason.NoMemory, "ENOBUFS")]
    [InlineData(12, PortRefusalReason.NoMemory, "ENOMEM")]
    public async Task BindFailed_ByAnErrorThatIsNoStranger_IsRefusedByItsReasonAndTheLeaseStays(
        int error, PortRefusalReason reason, string named)
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync(new PortRequest(Owner) { Strategy = "AllocatorPicks" }).Within();

        byte[] answer = await harness.Open().ExchangeAsync(Report(lease, error));

        answer.AsSpan(24, 8).ToArray().Should().Equal(Wire.Words(PortmapProcedure.Refused, (uint)reason));
        System.Text.Encoding.UTF8.GetString(answer).Should().Contain(named);
        harness.Registry.TryGetEntry(Owner, out PortEntry entry).Should().BeTrue();
        (entry.Port, entry.Epoch, entry.State).Should().Be((lease.Port, lease.Epoch, PortState.Reserved));
        harness.Registry.Snapshot().Entries.Should().ContainSingle("no other port is told of");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(98)]
    public async Task BindFailed_ByAnAddressInUse_IsHealedWithAnotherPort(int error)
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync(new PortRequest(Owner) { Strategy = "AllocatorPicks" }).Within();

        byte[] answer = await harness.Open().ExchangeAsync(Report(lease, error));

        BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(24)).Should().Be(PortmapProcedure.Ok);
        harness.Registry.TryGetEntry(Owner, out PortEntry entry).Should().BeTrue();
        entry.Port.Should().NotBe(lease.Port);
    }

    /// <summary>The answer of the first report may have been lost, and who reports may not
    /// acquire.</summary>
    [Fact]
    public async Task BindFailed_TwiceOfTheLeaseBesideARegistration_IsAnsweredTheSame()
    {
        await using Harness harness = new(new PortmapServerOptions { AllowAcquire = false });
        Peer peer = harness.Context.Trust.OfUnix(Environment.ProcessId, PosixFile.OwnUserId) with { AllowAcquire = false };
        await using PortmapClient worker = harness.OpenClient(peer), again = harness.OpenClient(peer);
        await worker.RegisterAsync(new PortClaimRequest(Owner, PortBlock.TakeOne())).Within();
        PortLease lease = await harness.Registry.AcquireAsync(new PortRequest(Owner) { Strategy = PortRegistryOptions.AllocatorPicks });
        PortClaimRequest failed = new(Owner, lease.Port) { Epoch = lease.Epoch };

        PortEntry healed = await worker.ReportBindFailureAsync(failed).Within();
        PortEntry repeated = await again.ReportBindFailureAsync(failed).Within();

        healed.Port.Should().NotBe(failed.Port!.Value);
        (repeated.Port, repeated.Epoch).Should().Be((healed.Port, healed.Epoch));
        Func<Task> older = () => again.ReportBindFailureAsync(failed with { Epoch = failed.Epoch - 1 }).Within();
        (await older.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.Stale, "that epoch was never this lease's");
        harness.Registry.Snapshot().Entries.Should().ContainSingle(entry => entry.State == PortState.Reserved).Which.Port.Should().Be(healed.Port);
    }

    [Fact]
    public async Task BindFailed_ByAnErrorThatBindingDoesNotHave_IsGarbage()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync(new PortRequest(Owner) { Strategy = "AllocatorPicks" }).Within();

        byte[] answer = await harness.Open().ExchangeAsync(Report(lease, error: 2));

        answer.Should().Equal(Wire.Reply(1, (uint)AcceptStatus.GarbageArguments));
        harness.Registry.TryGetEntry(Owner, out PortEntry entry).Should().BeTrue();
        entry.Port.Should().Be(lease.Port);
    }

    [Fact]
    public async Task ReportBindFailure_OfTheClient_CarriesWhatTheSocketThrew()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortEntry lease = await client.AcquireAsync(new PortRequest(Owner) { Strategy = "AllocatorPicks" }).Within();
        PortClaimRequest claim = new(Owner, lease.Port) { Epoch = lease.Epoch };
        Func<SocketError, Task> report = error => client.ReportBindFailureAsync(claim, error).Within();

        foreach (SocketError error in Enum.GetValues<SocketError>().Except([SocketError.AddressAlreadyInUse]))
        {
            PortRefusal? expected = PortRefusal.CreateForBind(new SocketException((int)error), Owner, lease.Port);
            await report.Awaiting(call => call(error)).Should().ThrowAsync<Exception>().Where(
                thrown => expected == null
                    ? thrown is ArgumentException
                    : thrown is PortRefusedException && ((PortRefusedException)thrown).Refusal.ToString() == expected.ToString(),
                $"{error} is not somebody else's port");
        }

        (await client.ReportBindFailureAsync(claim).Within()).Port.Should().NotBe(lease.Port);
    }

    [Fact]
    public async Task BindFailed_OfBothProtocolsWithoutALease_GivesALeaseOfBoth()
    {
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        PortClaimRequest failed = new(Owner, PortBlock.TakeOne()) { Protocol = PortProtocol.TcpAndUdp };

        PortEntry lease = await client.ReportBindFailureAsync(failed).Within();

        lease.Protocol.Should().Be(PortProtocol.TcpAndUdp);
        foreach (PortProtocol one in (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp])
        {
            harness.Registry.TryGetEntry(Owner, out PortEntry entry, one).Should().BeTrue("{0} was asked for", one);
            (entry.Port, entry.Epoch, entry.State).Should().Be((lease.Port, lease.Epoch, PortState.Reserved));
        }
    }

    [NeedsFact("sleep")]
    public async Task BindFailed_OfBothProtocolsWhileAnotherProcessServesTheSecond_IsRefused()
    {
        await using ChildProcess other = ChildProcess.Start(new System.Diagnostics.ProcessStartInfo("sleep"), "600");
        await using Harness harness = new();
        await using PortmapClient client = harness.OpenClient();
        await using PortSession serving = harness.Registry.OpenSession(other.Id);
        PortEntry served = await serving.RegisterAsync(new PortClaimRequest(Owner, PortBlock.TakeOne()) { Protocol = PortProtocol.Udp }).AsTask().Within();
        PortClaimRequest failed = new(Owner, PortBlock.TakeOne()) { Protocol = PortProtocol.TcpAndUdp };

        Func<Task> report = () => client.ReportBindFailureAsync(failed).Within();

        (await report.Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.NotOwner);
        harness.Registry.Snapshot().Entries.Should().ContainSingle().Which.Should().Be(served);
    }

    [Fact]
    public async Task BindFailed_OfBothProtocolsWhereUdpIsInUse_LeavesThePortToTheStranger()
    {
        int port = PortBlock.TakeOne();
        await using Harness harness = new(registryOptions: new PortRegistryOptions { Ports = $"{port},{PortBlock.Take(4)}" });
        await using PortmapClient client = harness.OpenClient();
        using Socket stranger = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        stranger.Bind(new System.Net.IPEndPoint(PortBlock.Loopback, port));

        PortEntry lease = await client.ReportBindFailureAsync(new PortClaimRequest(Owner, port) { Protocol = PortProtocol.TcpAndUdp }).Within();

        lease.Port.Should().NotBe(port);
        harness.Registry.Snapshot().Entries.Should().ContainSingle(entry => entry.State == PortState.Foreign)
            .Which.Should().BeEquivalentTo(new { Port = port, Protocol = PortProtocol.Udp });
    }

    private static byte[] Report(PortEntry lease, int error) => Wire.Call(
        1,
        Wire.Portmap,
        PortmapProcedure.BindFailed,
        [
            .. Wire.Text(lease.Owner),
            .. Wire.Words((uint)lease.Port, (uint)(lease.Epoch!.Value >> 32), (uint)lease.Epoch.Value, (uint)lease.Protocol, 0, (uint)error),
        ]);
}
