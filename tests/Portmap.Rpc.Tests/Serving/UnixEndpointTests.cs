using System.Net.Sockets;
using Portmap.TestKit.Processes;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>The socket file of a daemon: whose it is, and when it may be replaced.</summary>
public sealed class UnixEndpointTests : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly PortRegistry _registry = new(new PortRegistryOptions());

    private string SocketPath => _folder["portmap.sock"];

    private PortmapEndpoint Endpoint => PortmapEndpoint.Parse("unix:" + SocketPath);

    public async ValueTask DisposeAsync()
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
            PortEntry entry = await client.RegisterAsync("b1", 49200).Within();
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

    [NeedsFact("python3")]
    public async Task Start_OnTheLeftoverOfADeadDaemon_ReplacesIt()
    {
        // A process of its own, because .NET removes the file when its socket is disposed and a killed daemon does not.
        using var python = System.Diagnostics.Process.Start("python3", ["-c", $"import socket; socket.socket(socket.AF_UNIX).bind('{SocketPath}')"]);
        await python.WaitForExitAsync().Within();
        File.Exists(SocketPath).Should().BeTrue();
        await using PortmapServer server = Server();
        await server.StartAsync().Within();
        await using PortmapClient client = await PortmapClient.ConnectAsync(Endpoint).Within();
        await client.PingAsync().Within();
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
        await using PortmapServer server = new(_registry, new PortmapServerOptions { Endpoints = { Endpoint.ToString() }, SocketMode = Mode });
        await server.StartAsync().Within();
        File.GetUnixFileMode(SocketPath).Should().Be(Mode);
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
