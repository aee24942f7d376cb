using System.Diagnostics;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>libgfapi knows the daemon's address only: it fetches the volfile, asks DUMP what the
/// daemon speaks and PORTBYBRICK where the brick listens, and then talks to the brick.</summary>
public sealed class GfapiTests
{
    private const string Brick = "/bricks/b1";
    private const string Library = "/usr/lib/x86_64-linux-gnu/libgfapi.so.0";
    private const string LibraryOnArm = "/usr/lib/aarch64-linux-gnu/libgfapi.so.0";

    [NeedsFact(Library, LibraryOnArm, Also = ["glusterfsd", "gcc"])]
    public async Task Volume_Opened_ConnectsToThePortThatTheDaemonSays()
    {
        await using GlusterDaemon daemon = await StartAsync();
        daemon.AddVolfile("brick", Volfile.Bricks(daemon.Address, Brick));
        (_, PortEntry entry) = await daemon.StartBrickAsync("brick", Brick, PortBlock.TakeOne());

        // A brick that keeps nothing has no root folder, so that the volume does not open in the
        // end; but its port was found and it was talked to.
        await OpenAsync(daemon);

        string log = await File.ReadAllTextAsync(daemon.PathOf("gfapi.log")).Within();
        log.Should().Contain($"changing port to {entry.Port} (from 0)").And.Contain("Connected, attached to remote volume");
    }

    [FolderBrickFact(Library, LibraryOnArm, Also = ["glusterfsd", "gcc"])]
    public async Task Volume_OfAFolder_KeepsAFileThatIsWrittenThroughIt()
    {
        await using GlusterDaemon daemon = await StartAsync();
        DirectoryInfo folder = Directory.CreateDirectory(daemon.PathOf("brick"));
        Guid volume = Guid.NewGuid();
        TrustedAttributes.Set(folder.FullName, "trusted.glusterfs.volume-id", volume.ToByteArray(bigEndian: true));
        daemon.AddVolfile("brick", Volfile.FolderBrick(daemon.Address, Brick, folder.FullName, volume));
        await daemon.StartBrickAsync("brick", Brick, PortBlock.TakeOne());

        (await OpenAsync(daemon, "/greeting", "found by name")).Should().Be("found by name");

        (await File.ReadAllTextAsync(Path.Combine(folder.FullName, "greeting")).Within()).Should().Be("found by name");
    }

    private static async Task<GlusterDaemon> StartAsync()
    {
        GlusterDaemon daemon = await GlusterDaemon.StartAsync();
        daemon.AddVolfile("vol1", Volfile.Client(daemon.Address, Brick));
        return daemon;
    }

    private static async Task<string> OpenAsync(GlusterDaemon daemon, params IEnumerable<string> file)
    {
        string program = daemon.PathOf("gfapi");
        await using ChildProcess gcc = ChildProcess.Start(
            new ProcessStartInfo("gcc"), "-Wall", "-Werror", "-o", program, Path.Combine(AppContext.BaseDirectory, "gfapi.c"), "-l:libgfapi.so.0");
        (await gcc.ExitAsync()).Should().Be(0, gcc.Errors);
        await using ChildProcess gfapi = ChildProcess.Start(new ProcessStartInfo(program), [$"{daemon.Address}", daemon.PathOf("gfapi.log"), .. file]);
        return string.Join('\n', await gfapi.ReadToEndAsync());
    }
}
