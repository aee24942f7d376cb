using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Portmap.Rpc.Protocol;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>A real process of another user at a real socket: what the kernel lets it do, and what
/// the daemon does.</summary>
public sealed class OtherUserTests : AsyncTest
{
    private const int Nobody = 65_534;

    // perl, because it is part of every Debian and another user can always run it; .NET may be
    // installed where only root gets.
    private const string Talk = """
        use IO::Socket::UNIX;
        my $s = IO::Socket::UNIX->new(Peer => shift) or do { print "refused $!\n"; exit 0 };
        print "connected\n";
        for my $call (@ARGV) {
            print $s pack("H*", $call); $s->flush;
            read($s, my $mark, 4) == 4 or last;
            read($s, my $reply, unpack("N", $mark) & 0x7fffffff);
            print unpack("H*", $reply), "\n";
        }
        """;

    // The same over TCP, from an address that may follow the other one after a comma; what is after
    // "fork" is said by a child, with its own process id in the place of 0xffffffff.
    private const string TalkTcp = """
        use IO::Socket::IP;
        my ($to, $from) = split /,/, shift;
        my $s = IO::Socket::IP->new(PeerAddr => $to, PeerPort => shift, $from ? (LocalAddr => $from) : ()) or die $!;
        for my $call (@ARGV) {
            if ($call eq "close") { close $s; exit 0 }
            if ($call eq "fork") { my $child = fork; if ($child) { waitpid $child, 0; exit 0 } next }
            $call =~ s/ffffffff$/sprintf "%08x", $$/e;
            print $s pack("H*", $call); $s->flush;
            next if $ARGV[-1] eq "close";
            read($s, my $mark, 4) == 4 or last;
            read($s, my $reply, unpack("N", $mark) & 0x7fffffff);
            print unpack("H*", $reply), " $$\n";
        }
        """;

    private readonly TempFolder _folder = new();
    private readonly PortRegistry _registry = new(new PortRegistryOptions());

    private string SocketPath => _folder["portmap.sock"];

    // Others must get to the socket to be refused there; the folder of a test is its owner's alone.
    public OtherUserTests() => SetMode(_folder.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute);

    public override async ValueTask DisposeAsync()
    {
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Connect_ByAnotherUserToTheDefaultSocket_IsRefusedByTheKernel()
    {
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions());
        (await TalkAsync(Nobody)).Should().ContainSingle().Which.Should().StartWith("refused Permission denied");
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Change_ByAnotherUserWhoCanConnect_IsRefusedByTypeAndLookupIsServed()
    {
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions { SocketMode = "0666" });
        await using PortSession session = _registry.OpenSession(Environment.ProcessId);
        await session.RegisterAsync(new PortClaimRequest("b1", 49200));

        IReadOnlyList<string> said = await TalkAsync(Nobody, Register("b2"), Release("b1"), SignIn("b3"), PortByBrick("b1"));

        said.Should().HaveCount(5);
        string refused = Hex(Wire.Words(1, (uint)PortRefusalReason.NotPermitted));
        said[1][48..64].Should().Be(refused);
        said[2][48..64].Should().Be(refused);
        said[3].Should().Be(Hex(Wire.Success(1, Wire.Words(0xffff_ffff, 1))));
        said[4].Should().Be(Hex(Wire.Success(1, Wire.Words(0, 0, 0, 49200))));
        System.Text.Encoding.UTF8.GetString(Convert.FromHexString(said[1])).Should().Contain($"uid {Nobody}").And.Contain("AllowedUserIds");
        _registry.TryGetPort("b2", out _).Should().BeFalse();
        _registry.TryGetPort("b3", out _).Should().BeFalse();
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Change_ByAUserThatIsAllowed_IsMadeForTheProcessThatTheKernelNames()
    {
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions { SocketMode = "0666", AllowedUserIds = { Nobody } });
        long revision = _registry.Snapshot().Revision;

        IReadOnlyList<string> said = await TalkAsync(Nobody, Register("b2"));

        said[1][48..56].Should().Be(Hex(Wire.Words(0)));
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortChange change in _registry.ChangesAsync(revision, end.Token))
        {
            change.Entry.ProcessId.Should().BePositive().And.NotBe(Environment.ProcessId, "it claimed to be us");
            return;
        }
    }

    public static TheoryData<string, string> TcpEnds { get; } = new()
    {
        { "tcp:127.0.0.1:0", "127.0.0.1" },
        { "tcp:[::1]:0", "::1" },
        { "tcp:[::]:0", "::1" },
        { "tcp:127.0.0.1:0", "::ffff:127.0.0.1" },
        { "tcp:0.0.0.0:0", "127.0.0.1" },
    };

    [NeedsRootTheory("setpriv", Also = ["perl"])]
    [MemberData(nameof(TcpEnds))]
    public async Task Change_OverTcpByAnotherUser_IsRefusedByTypeAndLookupIsServed(string endpoint, string address)
    {
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions { AllowRemote = true }, endpoint: endpoint);
        await using PortSession session = _registry.OpenSession(Environment.ProcessId);
        PortEntry entry = await session.RegisterAsync(new PortClaimRequest("b1", 49200));

        IReadOnlyList<string> said = await TalkTcpAsync(server, address, Nobody, Register("b2"), Release("b1", entry.Epoch!.Value), SignIn("b3"), SignOut("b1"), PortByBrick("b1"));

        said.Should().HaveCount(5);
        string refused = Hex(Wire.Words(1, (uint)PortRefusalReason.NotPermitted));
        said[0][48..64].Should().Be(refused);
        said[1][48..64].Should().Be(refused);
        said[2].Should().StartWith(Hex(Wire.Success(1, Wire.Words(0xffff_ffff, 1))));
        said[3].Should().StartWith(Hex(Wire.Success(1, Wire.Words(0xffff_ffff, 1))));
        said[4].Should().StartWith(Hex(Wire.Success(1, Wire.Words(0, 0, 0, 49200))));
        System.Text.Encoding.UTF8.GetString(Convert.FromHexString(said[0].Split(' ')[0])).Should().Contain($"uid {Nobody}").And.Contain("AllowedUserIds");
        _registry.Snapshot().Entries.Should().ContainSingle().Which.Should().Be(entry);
    }

    [NeedsRootTheory("setpriv", Also = ["perl"])]
    [MemberData(nameof(TcpEnds))]
    public async Task Change_OverTcpByAUserThatIsAllowed_IsOfItsProcessOnlyIfItHasTheConnection(string endpoint, string address)
    {
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions { AllowRemote = true, AllowedUserIds = { Nobody } }, endpoint: endpoint);
        await using PortSession session = _registry.OpenSession(Environment.ProcessId);
        PortEntry entry = await session.RegisterAsync(new PortClaimRequest("b1", 49200));
        long revision = _registry.Snapshot().Revision;

        IReadOnlyList<string> said = await TalkTcpAsync(server, address, Nobody, Register("ours"), Register("its", port: 49202, itsOwn: true), Release("b1", entry.Epoch!.Value), Release("b1"));

        said[0][48..56].Should().Be(Hex(Wire.Words(0)));
        said[1][48..56].Should().Be(Hex(Wire.Words(0)));
        string notOwner = Hex(Wire.Words(1, (uint)PortRefusalReason.NotOwner));
        said[2][48..64].Should().Be(notOwner);
        said[3][48..64].Should().Be(notOwner);
        Dictionary<string, int> processes = await RegisteredAfterAsync(revision, 2);
        processes["ours"].Should().Be(0, "it claimed to be us and is not");
        processes["its"].ToString(CultureInfo.InvariantCulture).Should().Be(said[1].Split(' ')[1]);
    }

    [NeedsRootTheory("setpriv", Also = ["perl"])]
    [MemberData(nameof(TcpEnds))]
    public async Task Change_OverTcpOfAForkedChild_IsOfTheChild(string endpoint, string address)
    {
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions { AllowRemote = true, AllowedUserIds = { Nobody } }, endpoint: endpoint);
        long revision = _registry.Snapshot().Revision;

        IReadOnlyList<string> said = await TalkTcpAsync(server, address, Nobody, Register("parent", port: 49202, itsOwn: true), s_fork, Register("child", port: 49203, itsOwn: true));

        Dictionary<string, int> processes = await RegisteredAfterAsync(revision, 2);
        processes.Values.Select(id => id.ToString(CultureInfo.InvariantCulture)).Should().Equal(said.Select(line => line.Split(' ')[1])).And.OnlyHaveUniqueItems();
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Change_OverAUnixSocketOfAForkedChild_IsOfTheChild()
    {
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions { SocketMode = "0666", AllowedUserIds = { Nobody } });
        long revision = _registry.Snapshot().Revision;
        string talk = TalkTcp.Replace("IO::Socket::IP->new(PeerAddr => $to, PeerPort => shift, $from ? (LocalAddr => $from) : ())", "IO::Socket::UNIX->new(Peer => $to)", StringComparison.Ordinal)
            .Replace("IO::Socket::IP", "IO::Socket::UNIX", StringComparison.Ordinal);

        IReadOnlyList<string> said = await SaidAsync(Nobody, ["perl", "-e", talk, SocketPath, Hex(Register("parent", port: 49202, itsOwn: true)), "fork", Hex(Register("child", port: 49203, itsOwn: true))]);

        Dictionary<string, int> processes = await RegisteredAfterAsync(revision, 2);
        processes.Values.Select(id => id.ToString(CultureInfo.InvariantCulture)).Should().Equal(said.Select(line => line.Split(' ')[1])).And.OnlyHaveUniqueItems();
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Change_OverTcpByAnotherUserWhoIsGoneBeforeItIsRead_ChangesNothing()
    {
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions(), endpoint: "tcp:127.0.0.1:0");
        for (int i = 0; i < 20; i++)
        {
            await TalkTcpAsync(server, "127.0.0.1", Nobody, Register($"b{i}"), s_close);
        }

        await using PortmapClient client = await PortmapClient.ConnectAsync(server.Endpoints[0]).Within();
        await client.PingAsync().Within();
        (await client.SnapshotAsync().Within()).Entries.Should().BeEmpty();
    }

    /// <summary>Whoever connects to a loopback address is of this host, whatever address he says he
    /// comes from.</summary>
    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Change_OverTcpFromEachAddressOfThisHostByAUserWhoIsGoneBeforeItIsRead_ChangesNothing()
    {
        IPAddress[] addresses = [.. NetworkInterface.GetAllNetworkInterfaces().Where(one => one.OperationalStatus == OperationalStatus.Up)
            .SelectMany(one => one.GetIPProperties().UnicastAddresses).Select(one => one.Address).Where(one => one.AddressFamily == AddressFamily.InterNetwork)];
        foreach (string endpoint in (string[])["tcp:127.0.0.1:0", "tcp:0.0.0.0:0"])
        {
            await using PortmapServer server = await ServeAsync(new PortmapServerOptions { AllowRemote = true }, endpoint: endpoint);
            foreach (IPAddress from in addresses)
            {
                foreach (IPAddress to in endpoint.StartsWith("tcp:0", StringComparison.Ordinal) ? addresses : [IPAddress.Loopback])
                {
                    for (int i = 0; i < 5; i++)
                    {
                        await TalkTcpAsync(server, $"{to},{from}", Nobody, Acquire($"{from}/{to}/{i}"), s_close);
                    }
                }
            }

            await using PortmapClient client = await PortmapClient.ConnectAsync(PortmapEndpoint.Parse($"tcp:127.0.0.1:{server.Endpoints[0].Address!.Port}")).Within();
            await client.PingAsync().Within();
            (await client.SnapshotAsync().Within()).Entries.Should().BeEmpty();
        }
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Share_OfAnotherUser_LeavesOwnersPortsAndConnectionsToTheDaemonsUser()
    {
        PortRange range = PortBlock.Take(20);
        await using PortRegistry registry = new(new PortRegistryOptions { Ports = range.ToString(), Strategy = PortRegistryOptions.AllocatorPicks });
        PortmapServerOptions options = new() { Endpoints = { "unix:" + SocketPath }, SocketMode = "0666", AllowedUserIds = { Nobody }, MaxConnections = 40 };
        await using PortmapServer server = new(registry, options);
        await server.StartAsync().Within();
        var endpoint = PortmapEndpoint.Parse("unix:" + SocketPath);

        // Three processes, each acquiring for 20 owners over a connection of its own.
        for (int process = 0; process < 3; process++)
        {
            IReadOnlyList<string> said = await TalkAsync(Nobody, [.. Enumerable.Range(0, 20).Select(i => Acquire($"{process}/{i}"))]);
            said.Should().HaveCount(21);
            said[^1][48..64].Should().Be(Hex(Wire.Words(1, (uint)PortRefusalReason.TooManyOwners)));
        }

        registry.Snapshot().Entries.Count(entry => entry.State == PortState.Reserved).Should().Be(10, "that is half of the range");
        using Process crowd = AsUser(Nobody, "perl", "-MIO::Socket::UNIX", "-e", "my @all = map { IO::Socket::UNIX->new(Peer => $ARGV[0]) } 1..200; $| = 1; print \"open\\n\"; <STDIN>", SocketPath);
        (await crowd.StandardOutput.ReadLineAsync().Within()).Should().Be("open");
        await using PortmapClient own = await PortmapClient.ConnectAsync(endpoint).Within();
        for (int i = 0; i < 10; i++)
        {
            await own.AcquireAsync($"own/{i}").Within();
        }

        crowd.Kill();
        await crowd.WaitForExitAsync().Within();
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Start_WhereAnotherUsersSocketIs_IsRefusedAndTheSocketStays()
    {
        Directory.CreateDirectory(_folder["open"]);
        SetMode(_folder["open"], StickyForAll);
        string path = _folder["open/portmap.sock"];
        using Process perl = AsUser(Nobody, "perl", "-MIO::Socket::UNIX", "-e", "IO::Socket::UNIX->new(Local => shift, Listen => 1) or die $!", path);
        await perl.WaitForExitAsync().Within();
        File.Exists(path).Should().BeTrue();

        Func<Task> start = () => ServeAsync(new PortmapServerOptions(), path);
        (await start.Should().ThrowAsync<IOException>()).WithMessage($"*socket of user {Nobody}*not ours to replace*");
        File.Exists(path).Should().BeTrue();
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Start_WhereAnotherUsersLockFileIs_IsRefused()
    {
        Directory.CreateDirectory(_folder["open"]);
        SetMode(_folder["open"], StickyForAll);
        string path = _folder["open/portmap.sock"];
        using Process perl = AsUser(Nobody, "perl", "-e", "open(F, '>', shift) or die $!", path + ".lock");
        await perl.WaitForExitAsync().Within();

        Func<Task> start = () => ServeAsync(new PortmapServerOptions(), path);
        (await start.Should().ThrowAsync<IOException>()).WithMessage($"*portmap.sock.lock belongs to user {Nobody}; this process is user {Native.PosixFile.OwnUserId}. Stop the daemon of that user, then remove it, or choose another path.");
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Start_InAFolderOfAnotherUser_IsRefused()
    {
        Directory.CreateDirectory(_folder["open"]);
        SetMode(_folder["open"], StickyForAll);
        using Process perl = AsUser(Nobody, "perl", "-e", "mkdir(shift, 0755) or die $!", _folder["open/theirs"]);
        await perl.WaitForExitAsync().Within();

        Func<Task> start = () => ServeAsync(new PortmapServerOptions(), _folder["open/theirs/portmap.sock"]);
        (await start.Should().ThrowAsync<IOException>()).WithMessage($"*folder*belongs to user {Nobody}*choose a folder of this user*")
            .Which.Message.Should().NotContain("chmod", "its mode is right, and not this user's to change");
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Start_ThroughALinkOfAnotherUser_IsRefusedWhereverItIsOnTheWay()
    {
        Directory.CreateDirectory(_folder["open"]);
        SetMode(_folder["open"], StickyForAll);
        Directory.CreateDirectory(_folder["real/inner"]);
        await LinkAsync(Nobody, _folder["real"], _folder["open/theirs"]);
        await LinkAsync(Nobody, "../real/inner", _folder["open/relative"]);
        File.CreateSymbolicLink(_folder["ours"], _folder["open/theirs"]);
        foreach (string way in new[] { "open/theirs", "open/theirs/inner", "open/relative", "ours/inner", "real/../open/theirs/./inner" })
        {
            Func<Task> start = () => ServeAsync(new PortmapServerOptions(), _folder[way + "/portmap.sock"]);
            (await start.Should().ThrowAsync<IOException>(way)).WithMessage($"*symbolic link of user {Nobody}*");
        }

        Directory.GetFileSystemEntries(_folder["real"], "*", SearchOption.AllDirectories).Should().Equal(_folder["real/inner"]);
        File.CreateSymbolicLink(_folder["mine"], _folder["real"]);
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions(), _folder["mine/inner/portmap.sock"]);
    }

    private static async Task LinkAsync(int user, string target, string link)
    {
        using Process perl = AsUser(user, "perl", "-e", "symlink(shift, shift) or die $!", target, link);
        await perl.WaitForExitAsync().Within();
        perl.ExitCode.Should().Be(0);
    }

    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private const UnixFileMode StickyForAll = Everybody | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute | UnixFileMode.StickyBit;

    private static readonly byte[] s_fork = [1], s_close = [2];

    private async Task<PortmapServer> ServeAsync(PortmapServerOptions options, string? path = null, string? endpoint = null)
    {
        options.Endpoints.Add(endpoint ?? $"unix:{path ?? SocketPath}");
        PortmapServer server = new(_registry, options);
        await server.StartAsync().Within();
        return server;
    }

    /// <summary>Which processes the registrations since a revision were of, in their
    /// order.</summary>
    private async Task<Dictionary<string, int>> RegisteredAfterAsync(long revision, int count)
    {
        Dictionary<string, int> processes = [];
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortChange change in _registry.ChangesAsync(revision, end.Token))
        {
            if (change.Kind == PortChangeKind.Registered)
            {
                processes.Add(change.Entry.Owner, change.Entry.ProcessId ?? 0);
            }

            if (processes.Count == count)
            {
                break;
            }
        }

        return processes;
    }

    private static Task<IReadOnlyList<string>> TalkTcpAsync(PortmapServer server, string address, int user, params byte[][] calls) =>
        SaidAsync(user, ["perl", "-e", TalkTcp, address, server.Endpoints[0].Address!.Port.ToString(CultureInfo.InvariantCulture),
            .. calls.Select(call => ReferenceEquals(call, s_fork) ? "fork" : ReferenceEquals(call, s_close) ? "close" : Hex(call))]);

    private Task<IReadOnlyList<string>> TalkAsync(int user, params byte[][] calls) => SaidAsync(user, ["perl", "-e", Talk, SocketPath, .. calls.Select(Hex)]);

    private static async Task<IReadOnlyList<string>> SaidAsync(int user, string[] command)
    {
        using Process perl = AsUser(user, command);
        Task<string> errors = perl.StandardError.ReadToEndAsync();
        string said = await perl.StandardOutput.ReadToEndAsync().Within();
        await perl.WaitForExitAsync().Within();
        (await errors.Within()).Should().BeEmpty();
        return said.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static Process AsUser(int user, params string[] command)
    {
        ProcessStartInfo start = new("setpriv") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        string id = user.ToString(CultureInfo.InvariantCulture);
        foreach (string argument in (string[])[$"--reuid={id}", $"--regid={id}", "--clear-groups", .. command])
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }

    /// <param name="owner">The owner.</param>
    /// <param name="port">The port.</param>
    /// <param name="itsOwn">It claims its own process, not ours.</param>
    private static byte[] Register(string owner, uint port = 49201, bool itsOwn = false) =>
        Wire.Call(1, Wire.Portmap, PortmapProcedure.Register, [.. Wire.Text(owner), .. Wire.Words(port, 0, 0, 0, itsOwn ? uint.MaxValue : (uint)Environment.ProcessId)]);

    private static byte[] Release(string owner, long epoch = 0) =>
        Wire.Call(1, Wire.Portmap, PortmapProcedure.Release, [.. Wire.Text(owner), .. Wire.Words(0, (uint)(epoch >> 32), (uint)epoch, 0)]);

    private static byte[] SignOut(string brick) => Wire.Call(1, Wire.Gluster, 5, [.. Wire.Text(brick), .. Wire.Words(49200, 0)]);

    private static byte[] Acquire(string owner) => Wire.Call(1, Wire.Portmap, PortmapProcedure.Acquire, [.. Wire.Text(owner), .. Wire.Words(0, 0xffff_ffff, 0, 0)]);

    private static byte[] SignIn(string brick) => Wire.Call(1, Wire.Gluster, 4, [.. Wire.Text(brick), .. Wire.Words(49202, (uint)Environment.ProcessId)]);

    private static byte[] PortByBrick(string brick) => Wire.Call(1, Wire.Gluster, 1, Wire.Text(brick));

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static void SetMode(string path, UnixFileMode mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, mode);
        }
    }
}
