using System.Diagnostics;
using System.Net;
using Portmap.Native;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>Every verb of both programs that changes anything, tried by every kind of caller that
/// the options let in.</summary>
/// <remarks>Two acquisitions are left out: ACQUIRE_UNLESS_SERVED leaves an owner that is served alone,
/// whoever asks, and ACQUIRE_FLEET is for a daemon that is joined to a fleet.</remarks>
public sealed class CallerRightsTests : IDisposable
{
    private const string Owner = "/b/1";
    private const uint OwnersUser = 4_001, OtherUser = 4_002, AcquirersUser = 4_003;
    private const int OtherPort = 49_321;

    private static readonly string[] s_callers = ["same connection", "same process", "acquiring connection", "same user", "other user", "root", "daemon's user", "unknown"];

    // One letter for each caller above: x may, - may not.
    private static readonly (string Verb, string Callers)[] s_rights =
    [
        ("ACQUIRE", "xxxx-xx-"),
        ("ACQUIRE_ALL", "xxxx-xx-"),
        ("REGISTER by a lease of the host", "xxxx-xx-"),
        ("REGISTER", "xx------"),
        ("BIND_FAILED", "xx------"),
        ("BIND_FAILED by a lease of the host", "xxxx-xx-"),
        ("EXTEND a lease of the host", "xxxx-xx-"),
        ("RELEASE by epoch", "xxxx-xx-"),
        ("RELEASE", "xxx-----"),
        ("Gluster's sign-in", "xx------"),
        ("Gluster's sign-out", "xxx-----"),
        ("REGISTER by the lease", "--x--xx-"),
        ("BIND_FAILED by the lease", "--x--xx-"),
        ("EXTEND the lease by epoch", "--x--xx-"),
        ("EXTEND the lease", "--x--xx-"),
        ("RELEASE the lease by epoch", "--x--xx-"),
        ("RELEASE the lease", "--x-----"),
        ("Gluster's sign-in on the port of the lease", "--x--xx-"),
        ("Gluster's sign-out of the port of the lease", "--x-----"),
    ];

    private readonly List<Process> _processes = [];

    public static TheoryData<string, string, bool> Everybody()
    {
        TheoryData<string, string, bool> rows = [];
        foreach ((string verb, string callers) in s_rights)
        {
            for (int i = 0; i < s_callers.Length; i++)
            {
                rows.Add(verb, s_callers[i], callers[i] == 'x');
            }
        }

        return rows;
    }

    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            process.Kill();
            process.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Everybody))]
    public async Task Call_ByEachKindOfCaller_IsForTheOwnerOnlyAndElseChangesNothing(string verb, string caller, bool may)
    {
        await using Harness harness = new(
            new PortmapServerOptions { AllowedUserIds = { OwnersUser, OtherUser, AcquirersUser } }, new PortRegistryOptions { Ports = PortBlock.Take(20).ToString(), Probe = false });
        Trust trust = harness.Context.Trust;
        int ownersProcess = StartProcess();
        PairStream owner = harness.Open(trust.OfUnix(ownersProcess, OwnersUser));
        PairStream acquirer = harness.Open(trust.OfUnix(StartProcess(), AcquirersUser));
        (int port, long epoch) = await AcquireAsync(acquirer);
        if (!verb.Contains("the lease", StringComparison.Ordinal))
        {
            // The lease is used up in the name of the daemon's user, so that the claim has three
            // parties: who acquired it, its process, its user.
            await using PortSession byDaemon = harness.Registry.OpenSession(ownersProcess, PosixFile.OwnUserId);
            await byDaemon.RegisterAsync(new PortClaimRequest(Owner, port) { Epoch = epoch });
            Word(await owner.ExchangeAsync(Claim(PortmapProcedure.Register, port, epoch)), 24).Should().Be(0);
        }

        PortLease? hosts = verb.Contains("of the host", StringComparison.Ordinal) ? await harness.Registry.AcquireAsync(new PortRequest(Owner) { Strategy = PortRegistryOptions.AllocatorPicks }) : null;
        PairStream stream = caller switch
        {
            "same connection" => owner,
            "acquiring connection" => acquirer,
            "same process" => harness.Open(trust.OfUnix(ownersProcess, OwnersUser)),
            "same user" => harness.Open(trust.OfUnix(StartProcess(), OwnersUser)),
            "other user" => harness.Open(trust.OfUnix(StartProcess(), OtherUser)),
            "root" => harness.Open(trust.OfUnix(StartProcess(), 0)),
            "daemon's user" => harness.Open(trust.OfUnix(StartProcess(), PosixFile.OwnUserId)),
            _ => harness.Open(trust.OfTcp(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 40_000), new IPEndPoint(IPAddress.Parse("198.51.100.1"), 24_007))),
        };
        PortEntry[] before = [.. harness.Registry.Snapshot().Entries];

        byte[] answer = await stream.ExchangeAsync(CallOf(verb, hosts?.Port ?? port, hosts?.Epoch ?? epoch));

        uint status = Word(answer, 24);
        bool isGluster = verb.StartsWith("Gluster", StringComparison.Ordinal);
        (status == 0).Should().Be(may, "{0} by {1}: {2}", verb, caller, System.Text.Encoding.UTF8.GetString(answer));
        if (!may)
        {
            PortRefusalReason expected = verb is "REGISTER" or "Gluster's sign-in" ? PortRefusalReason.Conflict : PortRefusalReason.NotOwner;
            int reasonAt = verb == "ACQUIRE_ALL" ? 32 : 28;   // behind the number of the request
            Word(answer, reasonAt).Should().Be(isGluster ? (uint)(expected == PortRefusalReason.Conflict ? 98 : 1) : (uint)expected);
            harness.Registry.Snapshot().Entries.Should().Equal(before, "nothing was changed");
            (harness.Registry.TryGetEntry(OtherPort, out PortEntry left) && left.State != PortState.Free).Should().BeFalse("{0}", left);
        }
    }

    [Fact]
    public async Task RefusedCall_WithAProcess_LeavesNoIdentityOnTheConnection()
    {
        await using Harness harness = new();
        await using PortmapClient owner = harness.OpenClient();
        await owner.RegisterAsync(new PortClaimRequest(Owner, 49_320)).Within();
        PairStream client = harness.Open(Harness.Claiming);
        int other = StartProcess();

        byte[] refused = await client.ExchangeAsync(SignIn(Owner, OtherPort, other));
        byte[] accepted = await client.ExchangeAsync(SignIn("/b/2", OtherPort, processId: 0));

        Word(refused, 24).Should().Be(0xffff_ffff);
        Word(accepted, 24).Should().Be(0);
        harness.Registry.TryGetEntry("/b/2", out PortEntry entry).Should().BeTrue();
        entry.ProcessId.Should().BeNull("the only call that claimed a process was refused");
    }

    [Theory]
    [InlineData(PortmapProcedure.Register)]
    [InlineData(PortmapProcedure.BindFailed)]
    public async Task RefusedCall_OfAnyVerb_DoesNotKeepTheConnectionFromBeingIdle(uint procedure)
    {
        await using Harness harness = new();
        await using PortmapClient owner = harness.OpenClient();
        await owner.RegisterAsync(new PortClaimRequest(Owner, 49_320)).Within();
        int process = StartProcess();
        await using ConnectionSessions sessions = new(harness.Context, harness.Context.Trust.OfUnix(process, PosixFile.OwnUserId), nobodyIsLeft: static () => { });

        Func<Task> call = procedure == PortmapProcedure.Register
            ? () => sessions.RegisterAsync(new PortClaimRequest(Owner, OtherPort), process).AsTask()
            : () => sessions.ReportBindFailureAsync(new PortClaimRequest(Owner, OtherPort), process).AsTask();

        await call.Should().ThrowAsync<PortRefusedException>();
        sessions.IsEmpty.Should().BeTrue();
    }

    private static async Task<(int Port, long Epoch)> AcquireAsync(PairStream acquirer)
    {
        byte[] answer = await acquirer.ExchangeAsync(Wire.Call(1, Wire.Portmap, PortmapProcedure.Acquire, [.. Wire.Text(Owner), .. Wire.Words(0, 0xffff_ffff, 0, 1), .. Wire.Text("AllocatorPicks")]));
        Word(answer, 24).Should().Be(0);
        int after = 28 + Wire.Text(Owner).Length;
        return ((int)Word(answer, after), ((long)Word(answer, after + 12) << 32) | Word(answer, after + 16));
    }

    private static byte[] CallOf(string verb, int port, long epoch) => verb switch
    {
        "ACQUIRE" => Wire.Call(1, Wire.Portmap, PortmapProcedure.Acquire, [.. Wire.Text(Owner), .. Wire.Words(0, 0xffff_ffff, 0, 0)]),
        "ACQUIRE_ALL" => Wire.Call(1, Wire.Portmap, PortmapProcedure.AcquireAll, [.. Wire.Words(2), .. WantedAmong(Owner), .. WantedAmong("/b/2"), .. Wire.Words(0)]),
        "REGISTER" => Claim(PortmapProcedure.Register, OtherPort, 0),
        "REGISTER by a lease of the host" or "REGISTER by the lease" => Claim(PortmapProcedure.Register, port, epoch),
        "BIND_FAILED" => Claim(PortmapProcedure.BindFailed, OtherPort, 0),
        "BIND_FAILED by a lease of the host" or "BIND_FAILED by the lease" => Claim(PortmapProcedure.BindFailed, port, epoch),
        "RELEASE by epoch" or "RELEASE the lease by epoch" => Claim(PortmapProcedure.Release, port, epoch),
        "RELEASE" or "RELEASE the lease" => Claim(PortmapProcedure.Release, 0, 0),
        "EXTEND a lease of the host" or "EXTEND the lease by epoch" => Extend(epoch),
        "EXTEND the lease" => Extend(epoch: 0),
        "Gluster's sign-in" => SignIn(Owner, OtherPort, 0),
        "Gluster's sign-in on the port of the lease" => SignIn(Owner, port, 0),
        _ => Wire.Call(1, Wire.Gluster, 5, [.. Wire.Text(Owner), .. Wire.Words((uint)port, 0)]),
    };

    private static byte[] Claim(uint procedure, int port, long epoch) => Wire.Call(
        1,
        Wire.Portmap,
        procedure,
        [.. Wire.Text(Owner), .. Wire.Words((uint)port, (uint)(epoch >> 32), (uint)epoch, 0), .. procedure switch
            {
                PortmapProcedure.Release => [],
                PortmapProcedure.Register => Wire.Words(0),
                _ => Wire.Words(0, 0),
            }]);

    private static byte[] WantedAmong(string owner) => [.. Wire.Text(owner), .. Wire.Words(0, 0xffff_ffff, 0, 0, 0, 0)];

    private static byte[] Extend(long epoch) =>
        Wire.Call(1, Wire.Portmap, PortmapProcedure.Extend, [.. Wire.Text(Owner), .. Wire.Words((uint)(epoch >> 32), (uint)epoch, 0, 0, 600_000)]);

    private static byte[] SignIn(string brick, int port, int processId) =>
        Wire.Call(1, Wire.Gluster, 4, [.. Wire.Text(brick), .. Wire.Words((uint)port, (uint)processId)]);

    private static uint Word(byte[] record, int at) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(record.AsSpan(at));

    private int StartProcess()
    {
        Process process = Process.Start(new ProcessStartInfo("sleep", "600"))!;
        _processes.Add(process);
        return process.Id;
    }
}
