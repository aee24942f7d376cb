using System.Diagnostics;
using System.Globalization;
using Portmap.Rpc.Protocol;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>A real process of another user at a real socket: what the kernel lets it do, and what the daemon does.</summary>
public sealed class OtherUserTests : IAsyncDisposable
{
    private const int Nobody = 65_534;

    // perl, because it is part of every Debian and another user can always run it; .NET may be installed where only root gets.
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

    private readonly TempFolder _folder = new();
    private readonly PortRegistry _registry = new(new PortRegistryOptions());

    private string SocketPath => _folder["portmap.sock"];

    // Others must get to the socket to be refused there; the folder of a test is its owner's alone.
    public OtherUserTests() => SetMode(_folder.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute);

    public async ValueTask DisposeAsync()
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
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions { SocketMode = Everybody });
        await using PortSession session = _registry.OpenSession(Environment.ProcessId);
        await session.RegisterAsync("b1", 49200);

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
        await using PortmapServer server = await ServeAsync(new PortmapServerOptions { SocketMode = Everybody, AllowedUserIds = { Nobody } });
        _registry.Snapshot(out long revision);

        IReadOnlyList<string> said = await TalkAsync(Nobody, Register("b2"));

        said[1][48..56].Should().Be(Hex(Wire.Words(0)));
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortChange change in _registry.Watch(revision, end.Token))
        {
            change.Entry.ProcessId.Should().BePositive().And.NotBe(Environment.ProcessId, "it claimed to be us");
            return;
        }
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
        (await start.Should().ThrowAsync<IOException>()).WithMessage($"*portmap.sock.lock*user {Nobody}*");
    }

    [NeedsRootFact("setpriv", Also = ["perl"])]
    public async Task Start_InAFolderOfAnotherUser_IsRefused()
    {
        Directory.CreateDirectory(_folder["open"]);
        SetMode(_folder["open"], StickyForAll);
        using Process perl = AsUser(Nobody, "perl", "-e", "mkdir(shift, 0755) or die $!", _folder["open/theirs"]);
        await perl.WaitForExitAsync().Within();

        Func<Task> start = () => ServeAsync(new PortmapServerOptions(), _folder["open/theirs/portmap.sock"]);
        (await start.Should().ThrowAsync<IOException>()).WithMessage($"*folder*belongs to user {Nobody}*");
    }

    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private const UnixFileMode StickyForAll = Everybody | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute | UnixFileMode.StickyBit;

    private async Task<PortmapServer> ServeAsync(PortmapServerOptions options, string? path = null)
    {
        options.Endpoints.Add($"unix:{path ?? SocketPath}");
        PortmapServer server = new(_registry, options);
        await server.StartAsync().Within();
        return server;
    }

    private async Task<IReadOnlyList<string>> TalkAsync(int user, params byte[][] calls)
    {
        using Process perl = AsUser(user, ["perl", "-e", Talk, SocketPath, .. calls.Select(Hex)]);
        Task<string> errors = perl.StandardError.ReadToEndAsync();
        string said = await perl.StandardOutput.ReadToEndAsync().Within();
        await perl.WaitForExitAsync().Within();
        (await errors.Within()).Should().BeEmpty();
        return said.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static Process AsUser(int user, params string[] command)
    {
        ProcessStartInfo start = new("setpriv") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        string id = user.ToString(CultureInfo.InvariantCulture);
        foreach (string argument in (string[])[$"--reuid={id}", $"--regid={id}", "--clear-groups", .. command])
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }

    private static byte[] Register(string owner) =>
        Wire.Call(1, Wire.Portmap, PortmapProcedure.Register, [.. Wire.Text(owner), .. Wire.Words(49201, 0, 0, 0, (uint)Environment.ProcessId)]);

    private static byte[] Release(string owner) => Wire.Call(1, Wire.Portmap, PortmapProcedure.Release, [.. Wire.Text(owner), .. Wire.Words(0, 0, 0, 0)]);

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
