using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>What the pages about systemd and containers say, done.</summary>
public sealed class SystemdTests
{
    private static readonly string s_units = RepositoryFiles.PathOf("samples", "systemd");

    [NeedsFact("systemd-analyze")]
    public async Task Units_OfTheSample_AreFoundGoodBySystemd()
    {
        using TempFolder folder = new();
        List<string> names = [];
        foreach (string unit in Directory.EnumerateFiles(s_units, "*.s*"))
        {
            // A template is looked at as one of its instances; the programs are installed somewhere
            // else.
            string name = Path.GetFileName(unit).Replace("@.", "@b1.", StringComparison.Ordinal);
            string text = await File.ReadAllTextAsync(unit).Within();
            await File.WriteAllTextAsync(folder[name], text.Replace("/usr/lib/portmap/ManagementDaemon", "/bin/true", StringComparison.Ordinal).Replace("/usr/lib/portmap/workers/Brick/Brick", "/bin/true", StringComparison.Ordinal)).Within();
            names.Add(folder[name]);
        }

        names.Should().HaveCount(3);
        await using ChildProcess verify = ChildProcess.Start(new ProcessStartInfo("systemd-analyze"), ["verify", "--man=no", .. names]);

        (await verify.ExitAsync()).Should().Be(0, verify.Errors);
        verify.Errors.Should().BeEmpty();
    }

    /// <summary>What README says to install is all that the units start.</summary>
    [Fact]
    public async Task Units_OfTheSample_StartWhatIsPublished()
    {
        using TempFolder folder = new();
        string project = RepositoryFiles.PathOf("samples", "ManagementDaemon"), configuration = AppContext.BaseDirectory.Contains("Release", StringComparison.Ordinal) ? "Release" : "Debug";
        await using ChildProcess publish = ChildProcess.Start(new ProcessStartInfo("dotnet"), "publish", "--no-build", "-c", configuration, "-o", folder["portmap"], project);
        (await publish.ExitAsync(TimeSpan.FromMinutes(2))).Should().Be(0, publish.Errors);

        string[] programs = [.. Directory.EnumerateFiles(s_units, "*.service").SelectMany(File.ReadLines).Where(line => line.StartsWith("ExecStart=", StringComparison.Ordinal)).Select(line => line["ExecStart=".Length..].Split(' ')[0])];

        programs.Should().HaveCount(2);
        programs.Select(program => program.Replace("/usr/lib", folder[""], StringComparison.Ordinal)).Should().OnlyContain(program => File.Exists(program));
        File.Exists(folder["portmap/workers/Snapd/Snapd"]).Should().BeTrue("it starts those too");
    }

    [Fact]
    public async Task Serve_StartedBySystemd_SaysWhenItIsReadyAndWhenItStops()
    {
        using TempFolder folder = new();
        using Socket notifications = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        notifications.Bind(new UnixDomainSocketEndPoint(folder["notify"]));

        // The host takes itself for a service of systemd when its parent bears that name. A copy of
        // the shell may be open for writing still, in a child of another test.
        File.CreateSymbolicLink(folder["systemd"], "/bin/sh");
        ProcessStartInfo daemon = Samples.ManagementDaemon;
        ProcessStartInfo start = new(folder["systemd"], ["-c", $"'{daemon.FileName}' serve --unix '{folder["d.sock"]}'; exit $?"]);
        foreach ((string name, string? value) in daemon.Environment)
        {
            start.Environment[name] = value;
        }

        start.Environment["NOTIFY_SOCKET"] = folder["notify"];
        await using var shell = ChildProcess.Start(start);

        (await ReceiveAsync(notifications)).Should().Be("READY=1");
        await using (PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within())
        {
            await client.PingAsync().Within();   // no unit that comes after it finds nobody there
        }

        (await shell.ReadLineAsync()).Should().StartWith("ready ");
        Signal.Terminate.SendTo(ChildOf(shell.Id));
        (await ReceiveAsync(notifications)).Should().Be("STOPPING=1");
        (await shell.ExitAsync()).Should().Be(0);
    }

    [NeedsNamespaceFact]
    public async Task Serve_InAPidNamespaceOfItsOwn_DoesNotKnowItsWorkersAndStopsServingThemAtOnce()
    {
        using TempFolder folder = new();
        ProcessStartInfo program = Samples.ManagementDaemon;
        ProcessStartInfo start = new("unshare", ["--pid", "--fork", "--kill-child", "--mount-proc", program.FileName, "serve", "--unix", folder["d.sock"], "--range", PortBlock.Take(4).ToString()]);
        foreach ((string name, string? value) in program.Environment)
        {
            start.Environment[name] = value;
        }

        await using var daemon = ChildProcess.Start(start);
        (await daemon.ReadLineAsync()).Should().StartWith("ready ");
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();
        long revision = (await client.SnapshotAsync().Within()).Revision;
        ProcessStartInfo brick = Samples.Brick;
        (brick.Environment["PORTMAP_OWNER"], brick.Environment["PORTMAP_ENDPOINT"]) = ("b1", client.Endpoint.ToString());
        await using var worker = ChildProcess.Start(brick);

        PortChange registered = await ChangeAsync(client, revision, PortChangeKind.Registered);
        worker.Kill();
        PortChange gone = await ChangeAsync(client, registered.Revision, PortChangeKind.Disconnected);

        registered.Entry.ProcessId.Should().BeNull("the kernel tells no number across namespaces");
        gone.Entry.Owner.Should().Be("b1");
        (await client.GetEntryAsync("b1").Within())?.State.Should().NotBe(PortState.Bound);
    }

    private static async Task<PortChange> ChangeAsync(PortmapClient client, long afterRevision, PortChangeKind kind)
    {
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortUpdate update in client.WatchAsync(afterRevision, cancellationToken: end.Token))
        {
            if (update.Changes.FirstOrDefault(change => change.Kind == kind && change.Entry.Owner == "b1") is { Entry.Owner: "b1" } change)
            {
                return change;
            }
        }

        throw new InvalidOperationException("The watch ended by itself.");
    }

    private static async Task<string> ReceiveAsync(Socket notifications)
    {
        byte[] buffer = new byte[256];
        int count = await notifications.ReceiveAsync(buffer).Within();
        return Encoding.UTF8.GetString(buffer, 0, count).TrimEnd('\n');
    }

    private static int ChildOf(int processId) =>
        int.Parse(File.ReadAllText($"/proc/{processId}/task/{processId}/children").Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
}
