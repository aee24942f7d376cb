using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Serving;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>The socket file of a daemon: whose it is, and when it may be replaced.</summary>
public sealed class UnixEndpointTests : AsyncTest
{
    private readonly TempFolder _folder = new();
    private readonly PortRegistry _registry = new(new PortRegistryOptions());

    private string SocketPath => _folder["portmap.sock"];

    private PortmapEndpoint Endpoint => PortmapEndpoint.Parse("unix:" + SocketPath);

    public override async ValueTask DisposeAsync()
    {
        await _registry.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Start_OnAFreshPath_MakesAFileForItsOwnerOnlyAndStopRemovesIt()
    {
        await using PortmapServer server = Server();
        await server.StartAsync().Within();
#pragma warning disable CA1416 // on Windows there is no mode to look at, and this test says so
        File.GetUnixFileMode(SocketPath).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
#pragma warning restore CA1416
        server.Endpoints.Should().Equal(Endpoint);
        await using (PortmapClient client = await PortmapClient.ConnectAsync(Endpoint).Within())
        {
            await client.PingAsync().Within();
            PortEntry entry = await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
            entry.ProcessId.Should().Be(Environment.ProcessId, "the kernel says who is there");
        }

        await server.StopAsync().Within();
        File.Exists(SocketPath).Should().BeFalse();
        server.Endpoints.Should().BeEmpty();
    }

    [Fact]
    public async Task Start_OnThePathOfALiveDaemon_IsRefusedAndTheDaemonGoesOn()
    {
        await using PortmapServer first = Server();
        await first.StartAsync().Within();
        await using PortmapServer second = Server();
        Func<Task> start = () => second.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage($"*lives on {Endpoint}*");
        await using PortmapClient client = await PortmapClient.ConnectAsync(Endpoint).Within();
        await client.PingAsync().Within();
    }

    [Fact]
    public async Task Start_OnThePathOfAnotherProgramThatListens_IsRefused()
    {
        using Socket other = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        other.Bind(new UnixDomainSocketEndPoint(SocketPath));
        other.Listen();
        await using PortmapServer server = Server();
        Func<Task> start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage("*accepts connections*");
        File.Exists(SocketPath).Should().BeTrue();
    }

    [Fact]
    public async Task Start_OnThePathOfAnotherProgramThatTakesNobodyIn_IsRefusedAtOnce()
    {
        using Socket other = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        other.Bind(new UnixDomainSocketEndPoint(SocketPath));
        other.Listen(0);
        using Socket waiting = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await waiting.ConnectAsync(new UnixDomainSocketEndPoint(SocketPath)).Within();   // of a backlog of 0, the kernel lets one wait
        await using PortmapServer server = Server();
        Func<Task> start = () => Task.Run(() => server.StartAsync()).Within();
        await start.Should().ThrowAsync<IOException>().WithMessage($"*lives on {Endpoint}*");
    }

    [NeedsFact("python3")]
    public async Task Start_OnTheLeftoverOfADeadDaemon_ReplacesIt()
    {
        // A process of its own, because .NET removes the file when its socket is disposed and a
        // killed daemon does not.
        using var python = System.Diagnostics.Process.Start("python3", ["-c", $"import socket; socket.socket(socket.AF_UNIX).bind('{SocketPath}')"]);
        await python.WaitForExitAsync().Within();
        File.Exists(SocketPath).Should().BeTrue();
        LogList logs = new();
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { Endpoint.ToString() } }, new ServerLog(logs, LogLevel.Information));
        await server.StartAsync().Within();
        await using (PortmapClient client = await PortmapClient.ConnectAsync(Endpoint).Within())
        {
            await client.PingAsync().Within();
        }

        await server.DisposeAsync();
        logs.Lines.Select(line => line.Id.Name).Should().Equal("LeftoverReplaced", "ServerListening", "ServerStopped");
    }

    [Fact]
    public async Task Start_WhereAnOrdinaryFileIs_IsRefusedAndTheFileStays()
    {
        await File.WriteAllTextAsync(SocketPath, "precious");
        await using PortmapServer server = Server();
        Func<Task> start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage("*not a socket*");
        (await File.ReadAllTextAsync(SocketPath)).Should().Be("precious");
    }

    [Fact]
    public async Task Start_WhereAFolderIsOrNone_IsRefusedByName()
    {
        Directory.CreateDirectory(SocketPath);
        await using PortmapServer there = Server();
        Func<Task> start = () => there.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage("*folder*");

        await using PortmapServer nowhere = Server($"unix:{_folder["none"]}/portmap.sock");
        start = () => nowhere.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage("*none*folder*");
    }

    [Fact]
    public async Task Start_WhereTheLockFileCannotBeMade_SaysWhyAndNotThatADaemonLives()
    {
        File.CreateSymbolicLink(_folder["loop"], _folder["loop"]);
        string endpoint = $"unix:{_folder["loop/portmap.sock"]}";
        await using PortmapServer server = Server(endpoint);
        Func<Task> start = () => server.StartAsync().Within();
        IOException e = (await start.Should().ThrowAsync<IOException>()).Which;
        e.Message.Should().StartWith($"Cannot listen on {endpoint}: ").And.Contain("Choose a folder");
    }

    [Theory]
    [InlineData(23, "LimitNOFILE")]      // ENFILE
    [InlineData(24, "LimitNOFILE")]      // EMFILE
    [InlineData(28, "Free space")]       // ENOSPC
    [InlineData(30, "Choose a folder")]  // EROFS
    [InlineData(122, "Free space")]      // EDQUOT
    public void CannotListen_ByErrno_SaysWhatHelps(int errno, string remedy)
    {
        IOException failed = new("It failed.", errno);
        SocketFile.CannotListen(Endpoint, failed).Message.Should().StartWith($"Cannot listen on {Endpoint}: It failed. ").And.Contain(remedy);
    }

    [Theory]
    [InlineData(SocketError.TooManyOpenSockets, "LimitNOFILE")]
    [InlineData(SocketError.NoBufferSpaceAvailable, "Free memory")]
    [InlineData(SocketError.AccessDenied, "Choose a folder")]
    public void CannotListen_ByWhatTheSocketThrew_SaysWhatHelps(SocketError error, string remedy) =>
        SocketFile.CannotListen(Endpoint, new SocketException((int)error)).Message.Should().StartWith($"Cannot listen on {Endpoint}: ").And.Contain(remedy);

    [Theory]
    [InlineData("", "*symbolic link*not ours to replace*")]
    [InlineData(".lock", "*portmap.sock.lock*symbolic link*")]
    public async Task Start_WhereALinkIs_IsRefusedAndWhatItLeadsToStays(string suffix, string message)
    {
        string target = _folder["target"];
        File.CreateSymbolicLink(SocketPath + suffix, target);
        await using PortmapServer dangling = Server();
        Func<Task> start = () => dangling.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage(message);
        File.Exists(target).Should().BeFalse("nothing is made through a link");

        await File.WriteAllTextAsync(target, "precious");
        await using PortmapServer server = Server();
        start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage(message);
        (await File.ReadAllTextAsync(target)).Should().Be("precious");
    }

#pragma warning disable CA1416 // on Windows there is no mode to set, and these tests say so
    [Fact]
    public async Task Start_InAFolderThatOthersCanWriteTo_IsRefusedUnlessItIsSticky()
    {
        const UnixFileMode All = (UnixFileMode)0x1ff;
        Directory.CreateDirectory(_folder["open"]);
        File.SetUnixFileMode(_folder["open"], All);
        await using PortmapServer server = Server($"unix:{_folder["open/portmap.sock"]}");
        Func<Task> start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>().WithMessage("*folder*open*others*");
        Directory.GetFileSystemEntries(_folder["open"]).Should().BeEmpty();

        File.SetUnixFileMode(_folder["open"], All | UnixFileMode.StickyBit);
        await using PortmapServer again = Server($"unix:{_folder["open/portmap.sock"]}");
        await again.StartAsync().Within();
    }

    [Fact]
    public async Task Start_WithAnotherSocketMode_GivesTheFileThatMode()
    {
        const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { Endpoint.ToString() }, SocketMode = "0660" });
        await server.StartAsync().Within();
        File.GetUnixFileMode(SocketPath).Should().Be(Mode);
    }

    [Theory]
    [InlineData("2770", false)]
    [InlineData("2775", false)]
    [InlineData("0770", false)]
    [InlineData("2777", true)]
    [InlineData("0772", true)]
    public async Task Start_InAFolderOfAGroup_NeedsToBeAllowedAndIsRefusedIfAllCanWrite(string mode, bool isOpenToAll)
    {
        Directory.CreateDirectory(_folder["group"]);
        File.SetUnixFileMode(_folder["group"], (UnixFileMode)Convert.ToInt32(mode, 8));
        string endpoint = $"unix:{_folder["group/portmap.sock"]}";
        await using PortmapServer server = Server(endpoint);
        Func<Task> start = () => server.StartAsync().Within();
        (await start.Should().ThrowAsync<IOException>()).Which.Message.Contains("AllowGroupWritableFolder", StringComparison.Ordinal).Should().Be(!isOpenToAll);

        await using PortmapServer allowed = new(_registry, new PortmapServerOptions { Endpoints = { endpoint }, AllowGroupWritableFolder = true });
        start = () => allowed.StartAsync().Within();
        if (isOpenToAll)
        {
            await start.Should().ThrowAsync<IOException>();
        }
        else
        {
            await start.Should().NotThrowAsync();
        }
    }
#pragma warning restore CA1416

    [Fact]
    public async Task Start_OnATooLongPath_IsRefusedWithTheLimit()
    {
        await using PortmapServer server = Server("unix:/" + new string('x', 107));
        Func<Task> start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<FormatException>().WithMessage("*108*107*");
    }

    [Fact]
    public async Task Start_WithOneEndpointThatIsTaken_ListensOnNone()
    {
        await using PortmapServer first = Server();
        await first.StartAsync().Within();
        string free = _folder["free.sock"];
        await using PortmapServer second = Server("unix:" + free, Endpoint.ToString());
        Func<Task> start = () => second.StartAsync().Within();
        await start.Should().ThrowAsync<IOException>();
        File.Exists(free).Should().BeFalse();
    }

    [Fact]
    public async Task Connect_WithoutADaemon_NamesTheEndpoint()
    {
        Func<Task> connect = () => PortmapClient.ConnectAsync(Endpoint).Within();
        PortmapUnreachableException e = (await connect.Should().ThrowAsync<PortmapUnreachableException>()).Which;
        e.Endpoint.Should().Be(Endpoint);
        e.Message.Should().Contain(Endpoint.ToString());
    }

    [Theory]
    [InlineData("0600", 0x180)]
    [InlineData("660", 0x1b0)]
    [InlineData("0o666", 0x1b6)]
    [InlineData("000", 0)]
    [InlineData("0777", 0x1ff)]
    public void SocketMode_InOctal_IsRead(string mode, int expected) =>
        SocketFileOptions.Of(new PortmapServerOptions { SocketMode = mode }).Mode.Should().Be((UnixFileMode)expected);

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("6")]
    [InlineData("0888")]
    [InlineData("1777")]
    [InlineData("-660")]
    [InlineData("0x1b0")]
    [InlineData("66000000000")]
    [InlineData("UserRead")]
    public void SocketMode_AnythingElse_IsNamedWithWhatItMustBe(string? mode)
    {
        Action make = () => _ = new PortmapServer(_registry, new PortmapServerOptions { SocketMode = mode! });
        make.Should().Throw<ArgumentException>().WithMessage($"*SocketMode*'{mode}'*octal*0660*");
    }

    [Theory]
    [InlineData("portmap.sock")]
    [InlineData("./portmap.sock")]
    [InlineData("../run/portmap.sock")]
    public async Task Start_OnARelativePath_IsRefusedWithAnAbsoluteOne(string path)
    {
        await using PortmapServer server = Server("unix:" + path);
        Func<Task> start = () => server.StartAsync().Within();
        await start.Should().ThrowAsync<FormatException>().WithMessage($"*{path}*relative*unix:{Path.GetFullPath(path)}*");
    }

    [Fact]
    public async Task SocketFile_DeletedWhileServing_IsMadeAgainWithItsMode()
    {
        FakeTimeProvider time = new();
        LogList logs = new();
        await using PortmapServer server = new(
            _registry, new PortmapServerOptions { Endpoints = { Endpoint.ToString() }, SocketMode = "0660" }, new ServerLog(logs), time);
        await server.StartAsync().Within();
        await using PortmapClient before = await PortmapClient.ConnectAsync(Endpoint).Within();
        await before.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        for (int i = 1; i <= 3; i++)
        {
            File.Delete(SocketPath);
            time.Advance(TimeSpan.FromSeconds(1));

            await using PortmapClient after = await PortmapClient.ConnectAsync(Endpoint).Within();
            (await after.GetEntryAsync("b1").Within()).Should().NotBeNull();
            logs.Warnings.Where(line => line.Id.Name == "SocketFileMadeAgain").Should().HaveCount(i);
        }

#pragma warning disable CA1416 // on Windows there is no mode to look at, and this test says so
        File.GetUnixFileMode(SocketPath).Should().Be((UnixFileMode)0x1b0);
#pragma warning restore CA1416
        await before.PingAsync().Within();
        await server.StopAsync().Within();
        File.Exists(SocketPath).Should().BeFalse("the new file is the server's as well");
    }

    [Theory]
    [InlineData("socket")]
    [InlineData("file")]
    [InlineData("folder")]
    [InlineData("link")]
    public async Task SocketFile_ReplacedWhileServing_IsToldAndLeftAlone(string kind)
    {
        FakeTimeProvider time = new();
        LogList logs = new();
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { Endpoint.ToString() } }, new ServerLog(logs), time);
        await server.StartAsync().Within();
        await using PortmapClient before = await PortmapClient.ConnectAsync(Endpoint).Within();
        File.Delete(SocketPath);
        using Socket other = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        switch (kind)
        {
            case "socket":
                other.Bind(new UnixDomainSocketEndPoint(SocketPath));
                other.Listen();
                break;
            case "file":
                await File.WriteAllTextAsync(SocketPath, "precious");
                break;
            case "folder":
                Directory.CreateDirectory(SocketPath);
                break;
            default:
                File.CreateSymbolicLink(SocketPath, _folder["elsewhere"]);
                break;
        }

        time.Advance(TimeSpan.FromSeconds(5));

        logs.Lines.Where(line => line.Id.Name == "SocketFileLost").Should().ContainSingle("one line in ten seconds");
        await before.PingAsync().Within();
        await server.StopAsync().Within();
        new FileInfo(SocketPath).LinkTarget.Should().Be(kind == "link" ? _folder["elsewhere"] : null);
        (File.Exists(SocketPath) || Directory.Exists(SocketPath) || kind == "link").Should().BeTrue("it is not the server's to delete");
    }

    private PortmapServer Server(params string[] endpoints)
    {
        PortmapServerOptions options = new();
        foreach (string endpoint in endpoints.DefaultIfEmpty(Endpoint.ToString()))
        {
            options.Endpoints.Add(endpoint);
        }

        return new PortmapServer(_registry, options);
    }
}
