using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>Gluster Portmap and GF-DUMP, byte by byte, and the habits of glusterfsd.</summary>
public class GlusterPortmapTests
{
    private const uint Minus = 0xffff_ffff;

    [Fact]
    public async Task SignIn_AsGlusterfsdSendsIt_IsAnsweredByteByByte()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        await client.WriteAsync(Wire.Hex(
            """
            80 00 00 58 00 00 00 03 00 00 00 00 00 00 00 02 02 08 ae c0 00 00 00 01 00 00 00 04 00 05 f3 97 00 00 00 18
            00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00 00 00 00 00 00
            00 00 00 0a 2f 62 72 69 63 6b 73 2f 62 31 00 00 00 00 c0 9e 00 00 00 69
            """)).Within();
        byte[] reply = new byte[36];
        await client.ReadExactlyAsync(reply).Within();
        reply.Should().Equal(Wire.Hex(
            "80 00 00 20 00 00 00 03 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"));
        harness.Registry.TryGetEntry("/bricks/b1", out PortEntry entry).Should().BeTrue();
        entry.Port.Should().Be(49310);
        entry.ProcessId.Should().Be(Environment.ProcessId, "the kernel knows better than the 105 of the call");
    }

    [Fact]
    public async Task PortByBrick_KnownAndUnknown_AnswersAsGlusterd()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        await SignInAsync(client, "/b/1", 49200);
        (await client.ExchangeAsync(Wire.Call(1, Wire.Gluster, 1, Wire.Text("/b/1")))).Should().Equal(Wire.Success(1, Wire.Words(0, 0, 0, 49200)));
        (await client.ExchangeAsync(Wire.Call(2, Wire.Gluster, 1, Wire.Text("/b/2")))).Should().Equal(Wire.Success(2, Wire.Words(Minus, 0, 0, 0)));
    }

    [Fact]
    public async Task BrickByPort_KnownUnknownAndImpossible_Answers()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        await SignInAsync(client, "/b/1", 49200);
        (await client.ExchangeAsync(Wire.Call(1, Wire.Gluster, 2, Wire.Words(49200)))).Should().Equal(Wire.Success(1, [.. Wire.Words(0, 0, 0), .. Wire.Text("/b/1")]));
        (await client.ExchangeAsync(Wire.Call(2, Wire.Gluster, 2, Wire.Words(49201)))).Should().Equal(Wire.Success(2, Wire.Words(Minus, 0, 0, 0)));
        harness.Registry.TryAcquire(new PortRequest("/b/2") { Strategy = PortRegistryOptions.AllocatorPicks }, out PortLease? lease, out _).Should().BeTrue();
        (await client.ExchangeAsync(Wire.Call(4, Wire.Gluster, 2, Wire.Words((uint)lease!.Port)))).Should().Equal(Wire.Success(4, Wire.Words(Minus, 0, 0, 0)), "nobody listens on a lease yet");
        (await client.ExchangeAsync(Wire.Call(3, Wire.Gluster, 2, Wire.Words(65_536)))).Should().Equal(Wire.Success(3, Wire.Words(Minus, 22, 0, 0)));
    }

    [Theory]
    [InlineData("", 49200u)]
    [InlineData("a\0b", 49200u)]
    [InlineData("/b", 0u)]
    [InlineData("/b", 65_536u)]
    [InlineData("/b", 0xffff_ffffu)]
    public async Task SignInAndSignOut_OfWhatCannotBe_AreInvalid(string brick, uint port)
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        byte[] arguments = [.. Wire.Text(brick), .. Wire.Words(port, 0)];
        (await client.ExchangeAsync(Wire.Call(1, Wire.Gluster, 4, arguments))).Should().Equal(Wire.Success(1, Wire.Words(Minus, 22)));
        (await client.ExchangeAsync(Wire.Call(2, Wire.Gluster, 5, arguments))).Should().Equal(Wire.Success(2, Wire.Words(Minus, 22)));
    }

    [Theory]
    [InlineData(4_096, 0u)]
    [InlineData(4_097, 22u)]
    public async Task SignIn_OfALongName_ObeysTheLimit(int length, uint errno)
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        byte[] name = Wire.Text(new string('x', length));
        uint result = errno == 0 ? 0 : Minus;
        (await client.ExchangeAsync(Wire.Call(1, Wire.Gluster, 4, [.. name, .. Wire.Words(49200, 0)]))).Should().Equal(Wire.Success(1, Wire.Words(result, errno)));
        (await client.ExchangeAsync(Wire.Call(2, Wire.Gluster, 1, name))).Should().Equal(Wire.Success(2, Wire.Words(result, errno, 0, errno == 0 ? 49200u : 0)));
    }

    [Fact]
    public async Task Names_ThatAreNotUtf8_AreInvalidEverywhere()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        byte[] name = Wire.Opaque([0x2f, 0xff, 0xfe]);
        (await client.ExchangeAsync(Wire.Call(1, Wire.Gluster, 1, name))).Should().Equal(Wire.Success(1, Wire.Words(Minus, 22, 0, 0)));
        (await client.ExchangeAsync(Wire.Call(2, Wire.Gluster, 4, [.. name, .. Wire.Words(49200, 0)]))).Should().Equal(Wire.Success(2, Wire.Words(Minus, 22)));
        (await client.ExchangeAsync(Wire.Call(3, Wire.Gluster, 5, [.. name, .. Wire.Words(49200, 0)]))).Should().Equal(Wire.Success(3, Wire.Words(Minus, 22)));
    }

    [Fact]
    public async Task SignIn_WithoutPid_IsThatOfClientsBeforeV6()
    {
        await using Harness harness = new();
        byte[] arguments = [.. Wire.Text("/b/1"), .. Wire.Words(49200)];
        (await harness.Open().ExchangeAsync(Wire.Call(1, Wire.Gluster, 4, arguments))).Should().Equal(Wire.Success(1, Wire.Words(0, 0)));
        harness.Registry.TryGetPort("/b/1", out int port).Should().BeTrue();
        port.Should().Be(49200);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task SignIn_OfBrickAndItsRdmaPortWithPidZero_IsSignedOutByOneSignOut(bool isTcp)
    {
        await using Harness harness = new();
        PairStream client = harness.Open(isTcp ? Harness.Claiming : Harness.Known);
        uint pid = (uint)Environment.ProcessId;
        await SignInAsync(client, "/b/1", 49200, pid);
        await SignInAsync(client, "/b/1.rdma", 49201, pid: 0);
        harness.Registry.TryGetEntry("/b/1.rdma", out PortEntry entry).Should().BeTrue();
        entry.ProcessId.Should().Be(Environment.ProcessId, "it speaks over the connection of that process");

        (await client.ExchangeAsync(SignOut(9, "/b/1", 49200, 49201))).Should().Equal(Wire.Success(9, Wire.Words(0, 0)));
        harness.Registry.TryGetPort("/b/1", out _).Should().BeFalse();
        harness.Registry.TryGetPort("/b/1.rdma", out _).Should().BeFalse();
    }

    [Fact]
    public async Task SignIn_OfSeveralBricksOnOnePort_PipelinedAndTwice_IsOneProcess()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        await client.WriteAsync((byte[])[.. Enumerable.Range(0, 10).SelectMany(i => SignIn((uint)i, $"/b/{i % 5}", 49200, 0))]).Within();
        for (uint xid = 0; xid < 10; xid++)
        {
            (await client.ReadRecordAsync()).Should().Equal(Wire.Success(xid, Wire.Words(0, 0)));
        }

        harness.Registry.EnumerateOwners(49200).Should().HaveCount(5);
        (await client.ExchangeAsync(SignOut(10, "/b/0", 49200))).Should().Equal(Wire.Success(10, Wire.Words(0, 0)));
        (await client.ExchangeAsync(SignOut(11, "/b/0", 49200))).Should().Equal(Wire.Success(11, Wire.Words(0, 0)), "a sign-out may come twice");
        harness.Registry.EnumerateOwners(49200).Should().HaveCount(4);
    }

    [Fact]
    public async Task SignOut_ByAStranger_IsNotPermittedAndTheBrickStays()
    {
        await using Harness harness = new();
        await SignInAsync(harness.Open(), "/b/1", 49200);
        PairStream stranger = harness.Open(Harness.Claiming);
        (await stranger.ExchangeAsync(SignOut(1, "/b/1", 49200))).Should().Equal(Wire.Success(1, Wire.Words(Minus, 1)));
        harness.Registry.TryGetPort("/b/1", out _).Should().BeTrue();
    }

    [Fact]
    public async Task SignIn_ByAStrangerForALiveBrick_IsAddressInUse()
    {
        await using Harness harness = new();
        await SignInAsync(harness.Open(), "/b/1", 49200);
        PairStream stranger = harness.Open(Harness.Claiming);
        (await stranger.ExchangeAsync(SignIn(1, "/b/1", 49201, 0))).Should().Equal(Wire.Success(1, Wire.Words(Minus, 98)));
        (await stranger.ExchangeAsync(SignIn(2, "/b/2", 49200, 0))).Should().Equal(Wire.Success(2, Wire.Words(Minus, 98)));
    }

    [Fact]
    public async Task SignOut_WithAnRdmaPortThatCannotBe_IsInvalidAndTheBrickStays()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        await SignInAsync(client, "/b/1", 49200);

        (await client.ExchangeAsync(SignOut(1, "/b/1", 49200, 65_536))).Should().Equal(Wire.Success(1, Wire.Words(Minus, 22)));

        (await client.ExchangeAsync(Wire.Call(2, Wire.Gluster, 1, Wire.Text("/b/1")))).Should().Equal(Wire.Success(2, Wire.Words(0, 0, 0, 49200)));
    }

    [Fact]
    public async Task SignOut_BeforeAnySignIn_IsNoErrorAndChangesNothing()
    {
        await using Harness harness = new();
        (await harness.Open().ExchangeAsync(SignOut(1, "/b/1", 49200))).Should().Equal(Wire.Success(1, Wire.Words(0, 0)));
    }

    [Fact]
    public async Task SignOut_OfABrickThatExitsWithoutReadingTheReply_TakesEffect()
    {
        await using Harness harness = new();
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await SignInAsync(client, "/b/1", 49200);
        await client.WriteAsync(SignOut(2, "/b/1", 49200)).Within();
        client.End(hard: true);
        await served.Within();
        harness.Registry.TryGetPort("/b/1", out _).Should().BeFalse();
        harness.Logs.Warnings.Should().BeEmpty();
    }

    [Fact]
    public async Task Connection_ThatEnds_GivesItsBricksTheGrace()
    {
        await using Harness harness = new(registryOptions: new PortRegistryOptions { DisconnectGrace = TimeSpan.FromHours(1) });
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await SignInAsync(client, "/b/1", 49200);
        client.End();
        await served.Within();
        harness.Registry.TryGetPort("/b/1", out _).Should().BeTrue("the process lives");

        // It signs in again over another connection, as glusterfsd does after 3 s.
        PairStream again = harness.Open();
        await SignInAsync(again, "/b/1", 49200);
        (await again.ExchangeAsync(SignOut(5, "/b/1", 49200))).Should().Equal(Wire.Success(5, Wire.Words(0, 0)));
        harness.Registry.TryGetPort("/b/1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task Connection_OfAnUnknownProcess_ThatEnds_IsServedNoMore()
    {
        await using Harness harness = new();
        (PairStream client, Task served) = harness.Connect(Harness.Claiming);
        await SignInAsync(client, "/b/1", 49200, pid: 0);
        harness.Registry.TryGetPort("/b/1", out _).Should().BeTrue();
        client.End();
        await served.Within();
        harness.Registry.TryGetPort("/b/1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task SignIn_OverTcpWithAPidThatDoesNotLiveHere_IsOfAnUnknownProcess()
    {
        await using Harness harness = new();
        await SignInAsync(harness.Open(Harness.Claiming), "/b/1", 49200, pid: int.MaxValue);
        harness.Registry.TryGetEntry("/b/1", out PortEntry entry).Should().BeTrue();
        entry.ProcessId.Should().BeNull();
    }

    [Fact]
    public async Task SignIn_OverTcpForTwoProcesses_MakesTwoSessions()
    {
        await using Harness harness = new();
        PairStream client = harness.Open(Harness.Claiming);
        using Process other = Process.Start(new ProcessStartInfo("sleep", "600"))!;
        try
        {
            await SignInAsync(client, "/b/1", 49200, (uint)Environment.ProcessId);
            await SignInAsync(client, "/b/2", 49201, (uint)other.Id);
            (await client.ExchangeAsync(SignIn(3, "/b/3", 49200, (uint)other.Id))).Should().Equal(Wire.Success(3, Wire.Words(Minus, 98)), "the port is another process's");
        }
        finally
        {
            other.Kill();
        }
    }

    [Fact]
    public async Task SignIn_OfOneOwnerMoreThanTheLimit_IsNoSpace()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerSession = 2 });
        PairStream client = harness.Open();
        await SignInAsync(client, "/b/1", 49200);
        await SignInAsync(client, "/b/2", 49200);
        await SignInAsync(client, "/b/2", 49200);
        (await client.ExchangeAsync(SignIn(3, "/b/3", 49200, 0))).Should().Equal(Wire.Success(3, Wire.Words(Minus, 28)));
        await client.ExchangeAsync(SignOut(4, "/b/1", 49200));
        await SignInAsync(client, "/b/3", 49200);
    }

    [Fact]
    public async Task SignIn_OfOneOwnerMoreThanTheLimitForAnotherProcess_IsNoSpaceAllTheSame()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerSession = 2 });
        PairStream client = harness.Open(Harness.Claiming);
        using Process other = Process.Start(new ProcessStartInfo("sleep", "600"))!;
        try
        {
            await SignInAsync(client, "/b/1", 49200, (uint)Environment.ProcessId);
            await SignInAsync(client, "/b/2", 49201, (uint)other.Id);
            (await client.ExchangeAsync(SignIn(3, "/b/3", 49202, (uint)other.Id))).Should().Equal(
                Wire.Success(3, Wire.Words(Minus, 28)), "the limit is the connection's, however many processes it speaks for");
        }
        finally
        {
            other.Kill();
        }
    }

    /// <summary>Each process that a connection speaks for costs a descriptor, whatever becomes of its
    /// calls.</summary>
    [Fact]
    public async Task SignIn_ForMoreProcessesThanTheLimitByCallsThatAreRefused_IsNoSpace()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerSession = 2 });
        PairStream client = harness.Open(Harness.Claiming);
        Process[] others = [.. Enumerable.Range(0, 3).Select(_ => Process.Start(new ProcessStartInfo("sleep", "600"))!)];
        try
        {
            (await client.ExchangeAsync(SignIn(1, "/b/1", 0, (uint)others[0].Id))).Should().Equal(Wire.Success(1, Wire.Words(Minus, 22)));
            (await client.ExchangeAsync(SignIn(2, "/b/1", 0, (uint)others[1].Id))).Should().Equal(Wire.Success(2, Wire.Words(Minus, 22)));
            (await client.ExchangeAsync(SignIn(3, "/b/1", 0, (uint)others[2].Id))).Should().Equal(Wire.Success(3, Wire.Words(Minus, 28)));
            harness.Logs.Lines.Should().ContainSingle(line => line.Text.Contains("speaks for 2 processes", StringComparison.Ordinal));
        }
        finally
        {
            Array.ForEach(others, other => other.Kill());
        }
    }

    [Fact]
    public async Task SignIn_AtTheLimit_LooksForOwnersThatHaveEndedOnceASecond()
    {
        FakeTimeProvider clock = new();
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerSession = 2 }, timeProvider: clock);
        PairStream client = harness.Open();
        await SignInAsync(client, "/b/1", 49200);
        await SignInAsync(client, "/b/2", 49200);
        (await client.ExchangeAsync(SignIn(3, "/b/3", 49200, 0))).Should().Equal(Wire.Success(3, Wire.Words(Minus, 28)));

        // Ended by the same process over another connection: nothing tells this one.
        (await harness.Open().ExchangeAsync(SignOut(1, "/b/1", 49200))).Should().Equal(Wire.Success(1, Wire.Words(0, 0)));
        (await client.ExchangeAsync(SignIn(4, "/b/3", 49200, 0))).Should().Equal(Wire.Success(4, Wire.Words(Minus, 28)), "a walk for each refused call would be dear");
        clock.Advance(TimeSpan.FromSeconds(1));
        await SignInAsync(client, "/b/3", 49200);
    }

    [Fact]
    public async Task SignIn_OverTcpOfAProcessThatDiedAfterItsFirst_IsNoSuchProcessAsLongAsAnotherOneSpeaks()
    {
        FakeTimeProvider clock = new();
        await using Harness harness = new(timeProvider: clock);
        PairStream client = harness.Open(Harness.Claiming);
        using Process other = Process.Start(new ProcessStartInfo("sleep", "600"))!;
        await SignInAsync(client, "/b/0", 49201, (uint)Environment.ProcessId);
        await SignInAsync(client, "/b/1", 49200, (uint)other.Id);
        other.Kill();
        await other.WaitForExitAsync().Within();
        clock.Advance(TimeSpan.FromMilliseconds(250));

        (await client.ExchangeAsync(SignIn(2, "/b/2", 49200, (uint)other.Id))).Should().Equal(Wire.Success(2, Wire.Words(Minus, 3)), "the claim was of that process");
    }

    [Fact]
    public async Task Connection_WhoseOnlyProcessDied_IsClosed()
    {
        // A child of it may hold the socket: it has to connect anew, for over this one the dead
        // process speaks.
        FakeTimeProvider clock = new();
        await using Harness harness = new(timeProvider: clock);
        (PairStream client, Task served) = harness.Connect(Harness.Claiming);
        using Process other = Process.Start(new ProcessStartInfo("sleep", "600"))!;
        await SignInAsync(client, "/b/1", 49200, (uint)other.Id);
        other.Kill();
        await other.WaitForExitAsync().Within();

        clock.Advance(TimeSpan.FromSeconds(1));

        await served.Within();
        harness.Registry.TryGetPort("/b/1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task SignOut_OfTheFirstOfTwoProcessesOfAConnection_IsThatProcesss()
    {
        await using Harness harness = new();
        PairStream client = harness.Open(Harness.Claiming);
        using Process other = Process.Start(new ProcessStartInfo("sleep", "600"))!;
        try
        {
            await SignInAsync(client, "/b/1", 49200, (uint)Environment.ProcessId);
            await SignInAsync(client, "/b/2", 49201, (uint)other.Id);

            (await client.ExchangeAsync(SignOut(3, "/b/1", 49200))).Should().Equal(Wire.Success(3, Wire.Words(0, 0)));

            harness.Registry.TryGetPort("/b/1", out _).Should().BeFalse();
            harness.Registry.TryGetPort("/b/2", out _).Should().BeTrue();
        }
        finally
        {
            other.Kill();
        }
    }

    [Fact]
    public async Task SignOut_OfADeadOwnerByAPeerThatMayNotChange_IsNotPermittedAllTheSame()
    {
        // Of a dead process anybody may give the port back, so that only the peer's own right
        // stands in the way.
        FakeTimeProvider clock = new();
        await using Harness harness = new(timeProvider: clock);
        using Process other = Process.Start(new ProcessStartInfo("sleep", "600"))!;
        await SignInAsync(harness.Open(Harness.Claiming), "/b/1", 49200, (uint)other.Id);
        other.Kill();
        await other.WaitForExitAsync().Within();
        byte[] signOut = SignOut(1, "/b/1", 49200);

        (await harness.Open(Harness.Known with { AllowChange = false }).ExchangeAsync(signOut)).Should().Equal(Wire.Success(1, Wire.Words(Minus, 1)));
        harness.Registry.TryGetPort("/b/1", out _).Should().BeTrue("nobody has looked at the process yet");
        (await harness.Open().ExchangeAsync(signOut)).Should().Equal(Wire.Success(1, Wire.Words(0, 0)));
        harness.Registry.TryGetPort("/b/1", out _).Should().BeFalse();
    }

    [Fact]
    public async Task SignIn_OverTcpWithoutAPidAfterOneWithAndOneWithout_IsOfTheProcessClaimedLast()
    {
        await using Harness harness = new();
        PairStream client = harness.Open(Harness.Claiming);
        await SignInAsync(client, "/b/0", 49199, pid: 0);
        await SignInAsync(client, "/b/1", 49200, (uint)Environment.ProcessId);
        await SignInAsync(client, "/b/1.rdma", 49201, pid: 0);

        harness.Registry.TryGetEntry("/b/1.rdma", out PortEntry entry).Should().BeTrue();
        entry.ProcessId.Should().Be(Environment.ProcessId);
    }

    [Fact]
    public async Task Dump_ListsEveryProgram()
    {
        await using Harness harness = new();
        byte[] reply = await harness.Open().ExchangeAsync(Wire.Call(1, Wire.GfDump, 1, Wire.Words(0, 0)));
        reply.Should().Equal(Wire.Success(1, [
            .. Wire.Words(0, 0, 0, 0),
            .. Wire.Words(1), .. Wire.Text("Portmap"), .. Wire.Words(0, Wire.Portmap, 0, 1),
            .. Wire.Words(1), .. Wire.Text("Gluster Portmap"), .. Wire.Words(0, Wire.Gluster, 0, 1),
            .. Wire.Words(1), .. Wire.Text("GF-DUMP"), .. Wire.Words(0, Wire.GfDump, 0, 1),
            .. Wire.Words(0)]));
    }

    [Fact]
    public async Task Ping_IsAnsweredWithTwelveZeroBytes()
    {
        await using Harness harness = new();
        (await harness.Open().ExchangeAsync(Wire.Call(1, Wire.GfDump, 2))).Should().Equal(Wire.Success(1, new byte[12]));
    }

    private static byte[] SignIn(uint xid, string brick, int port, uint pid) => Wire.Call(xid, Wire.Gluster, 4, [.. Wire.Text(brick), .. Wire.Words((uint)port, pid)]);

    private static byte[] SignOut(uint xid, string brick, int port, int rdmaPort = 0) =>
        Wire.Call(xid, Wire.Gluster, 5, [.. Wire.Text(brick), .. Wire.Words((uint)port, (uint)rdmaPort)]);

    private static async Task SignInAsync(PairStream client, string brick, int port, uint pid = 0) =>
        (await client.ExchangeAsync(SignIn(77, brick, port, pid))).Should().Equal(Wire.Success(77, Wire.Words(0, 0)));
}
