using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>Gluster's GETSPEC, which <c>serve --volfiles</c> adds to the server as a program of the
/// host's own.</summary>
public sealed class GetSpecTests : IAsyncLifetime, IDisposable
{
    private const uint Handshake = 14398633;
    private const uint GetSpec = 2;
    private const uint Failed = uint.MaxValue;
    private const uint NoSuchFile = 2;
    private const uint AccessDenied = 13;
    private const uint InvalidArgument = 22;
    private const uint FileTooLarge = 27;
    private const string Spec = "volume vol1-sink\n    type debug/sink\nend-volume\n";

    private readonly TempFolder _folder = new();
    private ChildProcess? _daemon;

    public async Task InitializeAsync()
    {
        Directory.CreateDirectory(_folder["volfiles"]);
        await File.WriteAllTextAsync(_folder["volfiles/vol1.host.bricks-b1.vol"], Spec).Within();
        await File.WriteAllTextAsync(_folder["secret.vol"], "not for you").Within();
        _daemon = await Samples.ServeAsync("--unix", _folder["d.sock"], "--volfiles", _folder["volfiles"]);
    }

    [Fact]
    public async Task GetSpec_KnownKey_AnswersTheVolfile() =>
        (await AskAsync("vol1.host.bricks-b1")).Should().Equal([.. RawCall.Words((uint)Spec.Length, 0), .. RawCall.Opaque(Spec), .. RawCall.Opaque([])]);

    [Theory]
    [InlineData("unknown", NoSuchFile)]
    [InlineData("../secret", InvalidArgument)]
    [InlineData("..", InvalidArgument)]
    [InlineData("/etc/passwd", InvalidArgument)]
    [InlineData("volfiles/vol1.host.bricks-b1", InvalidArgument)]
    [InlineData("a\0b", InvalidArgument)]
    [InlineData("", InvalidArgument)]
    public async Task GetSpec_KeyThatIsNotThereOrLeadsAway_AnswersAnErrorAndNoSpec(string key, uint error) =>
        (await AskAsync(key)).Should().Equal([.. RawCall.Words(Failed, error), .. RawCall.Opaque([]), .. RawCall.Opaque([])]);

    [NeedsFact("mkfifo")]
    public async Task GetSpec_OfWhatIsNoFileOfTheFolder_IsDeniedAtOnce()
    {
        string folder = _folder["volfiles"];
        using (Process mkfifo = Process.Start("mkfifo", [Path.Combine(folder, "fifo.vol")]))
        {
            await mkfifo.WaitForExitAsync().Within();
        }

        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(folder, "socket.vol")));
        Directory.CreateDirectory(Path.Combine(folder, "folder.vol"));
        File.CreateSymbolicLink(Path.Combine(folder, "outside.vol"), _folder["secret.vol"]);
        File.CreateSymbolicLink(Path.Combine(folder, "relative.vol"), "../secret.vol");
        File.CreateSymbolicLink(Path.Combine(folder, "device.vol"), "/dev/zero");
        File.CreateSymbolicLink(Path.Combine(folder, "endless.vol"), "/proc/self/environ");
        File.CreateSymbolicLink(Path.Combine(folder, "fifolink.vol"), "fifo.vol");
        await File.WriteAllTextAsync(_folder["volfilesX.vol"], "not for you");
        File.CreateSymbolicLink(Path.Combine(folder, "sibling.vol"), "../volfilesX.vol");

        foreach (string key in new[] { "fifo", "socket", "folder", "outside", "relative", "device", "endless", "fifolink", "sibling" })
        {
            (await AskAsync(key).Within()).Should().Equal((byte[])[.. RawCall.Words(Failed, AccessDenied), .. RawCall.Opaque([]), .. RawCall.Opaque([])], key);
        }
    }

    [Fact]
    public async Task GetSpec_OfALinkWithinTheFolder_AnswersWhatItLeadsTo()
    {
        File.CreateSymbolicLink(_folder["volfiles/link.vol"], "vol1.host.bricks-b1.vol");
        File.CreateSymbolicLink(_folder["volfiles/dangling.vol"], "nothing.vol");

        (await AskAsync("link")).Should().Equal([.. RawCall.Words((uint)Spec.Length, 0), .. RawCall.Opaque(Spec), .. RawCall.Opaque([])]);
        (await AskAsync("dangling")).Should().Equal([.. RawCall.Words(Failed, NoSuchFile), .. RawCall.Opaque([]), .. RawCall.Opaque([])]);
    }

    [Theory]
    [InlineData(65_000, 0)]
    [InlineData(65_001, FileTooLarge)]
    public async Task GetSpec_OfALongFile_IsAnsweredUpToWhatARecordHolds(int length, uint error)
    {
        await File.WriteAllTextAsync(_folder["volfiles/long.vol"], new string('x', length)).Within();

        (await AskAsync("long")).AsSpan(0, 8).ToArray().Should().Equal(RawCall.Words(error == 0 ? (uint)length : Failed, error));
    }

    public async Task DisposeAsync()
    {
        if (_daemon is not null)
        {
            await _daemon.DisposeAsync();
        }
    }

    public void Dispose() => _folder.Dispose();

    private Task<byte[]> AskAsync(string key)
    {
        EndPoint endpoint = new UnixDomainSocketEndPoint(_folder["d.sock"]);
        return RawCall.InvokeAsync(endpoint, Handshake, 2, GetSpec, [.. RawCall.Words(0), .. RawCall.Opaque(key), .. RawCall.Opaque([])]);
    }
}
