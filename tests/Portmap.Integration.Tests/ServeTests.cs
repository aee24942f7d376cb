using System.Diagnostics;
using System.Net.Sockets;
using Portmap.Rpc;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>What <c>ManagementDaemon serve</c> promises to those who start it: the ready line, the
/// exit codes, the endpoints.</summary>
public sealed class ServeTests
{
    public static TheoryData<string[], string> BadArguments { get; } = new()
    {
        { ["--range", "500-400"], "*500-400*reversed*400-500*" },
        { ["--range", "0-10"], "*0-10*1 to 65535*" },
        { ["--range", "many"], "*'many'*FIRST-LAST*" },
        { ["--strategy", "Guess"], "*'Guess'*ProcessBinds*AllocatorPicks*" },
        { ["--tcp", "localhost:24007"], "*localhost:24007*tcp:ADDRESS:PORT*" },
        { ["--tcp", "127.0.0.1:70000"], "*127.0.0.1:70000*tcp:ADDRESS:PORT*" },
        { ["--unix", ""], "*no path*" },
        { ["--unix", "/tmp/" + new string('x', 120)], "*125 bytes*107*" },
        { ["--volfiles", "/does/not/exist"], "*/does/not/exist*" },
        { ["--state", "/tmp", "--durability", "Sometimes"], "*'Sometimes'*Confirmed*Background*" },
        { ["--durability", "Background"], "*--durability*--state*" },
        { ["--state", "/etc/passwd"], "*/etc/passwd*folder*" },
        { ["--metrics", "localhost"], "*'localhost'*127.0.0.1:9464*" },
        { ["--unix"], "*--unix*" },
        { ["--colour", "blue"], "*--colour*" },
    };

    [Theory]
    [MemberData(nameof(BadArguments))]
    public async Task Serve_BadArguments_OneClearLineAndExitCode2(string[] options, string complaint)
    {
        await using ChildProcess daemon = ChildProcess.Start(Samples.ManagementDaemon, ["serve", .. options]);

        (await daemon.ExitAsync()).Should().Be(2);
        (await daemon.ReadToEndAsync()).Should().BeEmpty();
        daemon.Errors.TrimEnd().Should().Match(complaint).And.NotContain("\n", "one line says it all");
    }

    [Fact]
    public async Task Serve_RemoteAddress_IsRefusedAsBadArgument()
    {
        await using ChildProcess daemon = ChildProcess.Start(Samples.ManagementDaemon, "serve", "--tcp", "0.0.0.0:0");

        (await daemon.ExitAsync()).Should().Be(2);
        daemon.Errors.TrimEnd().Should().Contain("0.0.0.0").And.NotContain("\n");
    }

    [Fact]
    public async Task Serve_BothEndpoints_ReadyLineNamesThemAndBothAnswer()
    {
        using TempFolder folder = new();
        PortRange range = PortBlock.Take(4);
        await using ChildProcess daemon = ChildProcess.Start(
            Samples.ManagementDaemon, "serve", "--unix", folder["d.sock"], "--tcp", $"{PortBlock.Loopback}:0", "--range", $"{range}", "--strategy", "AllocatorPicks");

        string[] ready = (await daemon.ReadLineAsync()).Split(' ');

        ready[0].Should().Be("ready");
        ready[1..].Should().HaveCount(2).And.Contain($"unix:{folder["d.sock"]}").And.ContainMatch($"tcp:{PortBlock.Loopback}:*");
        foreach (string endpoint in ready[1..])
        {
            endpoint.Should().NotEndWith(":0", "the real port is named");
            await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse(endpoint)).Within();
            PortEntry entry = await client.AcquireAsync($"asked over {endpoint}").Within();
            range.Contains(entry.Port).Should().BeTrue("--range and --strategy hold for every endpoint");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Serve_Signal_EndsWithExitCode0AndRemovesTheSocket(bool interrupt)
    {
        using TempFolder folder = new();
        await using ChildProcess daemon = await Samples.ServeAsync("--unix", folder["d.sock"]);

        daemon.Send(interrupt ? Signal.Interrupt : Signal.Terminate);

        (await daemon.ExitAsync()).Should().Be(0);
        File.Exists(folder["d.sock"]).Should().BeFalse();
    }

    /// <summary>Its disk hangs at the first sync, so the signal comes before it is ready.</summary>
    [NeedsFact("strace")]
    public async Task Serve_SignalWhileTheStateIsOpened_EndsWithExitCode0()
    {
        using TempFolder folder = new();
        ProcessStartInfo start = Samples.ManagementDaemon;
        string program = start.FileName;
        start.FileName = "strace";
        await using var daemon = ChildProcess.Start(   // -D: the daemon is our child, not strace's
            start, "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=5000000",
            program, "serve", "--unix", folder["d.sock"], "--state", folder["state"], "--range", $"{PortBlock.Take(4)}");
        await Eventually.SeenAsync(() => Directory.Exists(folder["state"]), Deadline.Default * 2);   // under strace it starts slowly

        daemon.Send(Signal.Terminate);

        (await daemon.ExitAsync(TimeSpan.FromSeconds(90))).Should().Be(0, daemon.Errors);
    }

    [Theory]
    [InlineData("unix")]
    [InlineData("tcp")]
    public async Task Serve_EndpointOfALiveDaemon_IsRefusedWithExitCode1AndTheLiveOneServesOn(string scheme)
    {
        using TempFolder folder = new();
        string address = scheme == "unix" ? folder["d.sock"] : $"{PortBlock.Loopback}:{PortBlock.TakeOne()}";
        await using ChildProcess live = await Samples.ServeAsync($"--{scheme}", address);

        await using ChildProcess second = ChildProcess.Start(Samples.ManagementDaemon, "serve", $"--{scheme}", address);

        (await second.ExitAsync()).Should().Be(1);
        (await second.ReadToEndAsync()).Should().BeEmpty();
        second.Errors.TrimEnd().Should().Contain(address).And.NotContain("\n");
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"{scheme}:{address}")).Within();
        await client.PingAsync().Within();
    }

    [Theory]
    [InlineData("Confirmed")]
    [InlineData("Background")]
    public async Task Serve_StateOfALiveDaemon_IsRefusedWithItsPidAndFreeAfterIt(string durability)
    {
        using TempFolder folder = new();
        string[] state = ["--state", folder["state"], "--durability", durability];
        await using ChildProcess live = await Samples.ServeAsync(["--unix", folder["a.sock"], .. state]);

        await using ChildProcess second = ChildProcess.Start(Samples.ManagementDaemon, ["serve", "--unix", folder["b.sock"], .. state]);

        (await second.ExitAsync()).Should().Be(1);
        second.Errors.TrimEnd().Should().Contain(folder["state"]).And.Contain($"{live.Id}").And.NotContain("\n");
        live.Send(Signal.Terminate);
        (await live.ExitAsync()).Should().Be(0);
        await using ChildProcess next = await Samples.ServeAsync(["--unix", folder["b.sock"], .. state]);
    }

    [Fact]
    public async Task Serve_LeftoverSocketOfADeadDaemon_IsReplaced()
    {
        using TempFolder folder = new();
        await using ChildProcess dead = await Samples.ServeAsync("--unix", folder["d.sock"]);
        dead.Kill();
        await dead.ExitAsync();
        File.Exists(folder["d.sock"]).Should().BeTrue("a killed daemon cleans nothing up");

        await using ChildProcess next = await Samples.ServeAsync("--unix", folder["d.sock"]);

        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();
        await client.PingAsync().Within();
    }

    [Fact]
    public async Task Serve_FileThatIsNoSocketInTheWay_IsLeftAloneWithExitCode1()
    {
        using TempFolder folder = new();
        await File.WriteAllTextAsync(folder["precious"], "data").Within();

        await using ChildProcess daemon = ChildProcess.Start(Samples.ManagementDaemon, "serve", "--unix", folder["precious"]);

        (await daemon.ExitAsync()).Should().Be(1);
        (await File.ReadAllTextAsync(folder["precious"]).Within()).Should().Be("data");
    }

    [Fact]
    public async Task Serve_FolderOfTheSocketMissing_OneClearLineAndExitCode1()
    {
        using TempFolder folder = new();
        await using ChildProcess daemon = ChildProcess.Start(Samples.ManagementDaemon, "serve", "--unix", folder["missing/d.sock"]);

        (await daemon.ExitAsync()).Should().Be(1);
        daemon.Errors.TrimEnd().Should().Contain("missing").And.NotContain("\n");
    }

    [Theory]
    [InlineData(new byte[] { 0x80, 0, 0, 40, 0, 0, 0, 1, 0, 0 })] // the client vanishes in the middle of a record
    [InlineData(new byte[] { 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4 })] // a record of 2 GiB is announced
    [InlineData(new byte[] { 0x80, 0, 0, 4, 0, 0, 0, 1 })] // a record, but no call
    public async Task Serve_BytesThatAreNoCall_TheNextClientIsServedAllTheSame(byte[] bytes)
    {
        using TempFolder folder = new();
        await using ChildProcess daemon = await Samples.ServeAsync("--unix", folder["d.sock"]);
        using (Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            await client.ConnectAsync(new UnixDomainSocketEndPoint(folder["d.sock"])).Within();
            await client.SendAsync(bytes).Within();
        }

        await using PortmapClient next = await PatientClient.ConnectAsync(PortmapEndpoint.Parse($"unix:{folder["d.sock"]}")).Within();
        await next.PingAsync().Within();
        daemon.Send(Signal.Terminate);
        (await daemon.ExitAsync()).Should().Be(0);
    }

    [Fact]
    public async Task Serve_BadValuesOfTheRegistryAndTheServer_AreAllNamedInOneLineWithExitCode2()
    {
        using TempFolder folder = new();
        System.Diagnostics.ProcessStartInfo start = Samples.ManagementDaemon;
        start.Environment["Portmap__LeaseTimeout"] = "00:00:00";
        start.Environment["PortmapServer__SocketMode"] = "9";
        await using ChildProcess daemon = ChildProcess.Start(start, "serve", "--unix", folder["d.sock"], "--state", folder["state"], "--bricks", "1");

        (await daemon.ExitAsync()).Should().Be(2);

        daemon.Errors.TrimEnd().Should().Contain("LeaseTimeout").And.Contain("SocketMode").And.NotContain("\n");
        Directory.Exists(folder["state"]).Should().BeFalse("nothing is opened before the options were checked");
    }

    [Theory]
    [InlineData("Portmap__ReuseDelay", "-00:00:01", "ReuseDelay")]
    [InlineData("Portmap__ReuseDelay", "soon", "ReuseDelay")]
    [InlineData("Portmap__ReuseDelai", "00:00:01", "ReuseDelai")]
    [InlineData("Portmap__Lease__Timeout", "00:00:01", "Lease")]
    [InlineData("Portmap__StateFolder", "state", "StateFolder")]
    [InlineData("Portmap__Endpoint", "unix:d.sock", "unix:d.sock")]
    [InlineData("PortmapServer__MaxConection", "7", "MaxConection")]
    [InlineData("PortmapServer__MaxConnections", "0", "MaxConnections")]
    [InlineData("PortmapServer__MaxConnections", "many", "MaxConnections")]
    [InlineData("PortmapServer__SocketMode", "0888", "SocketMode")]
    public async Task Serve_BadKeyOrValueInTheEnvironment_IsNamedWithExitCode2(string key, string value, string named)
    {
        using TempFolder folder = new();
        System.Diagnostics.ProcessStartInfo start = Samples.ManagementDaemon;
        start.Environment[key] = value;
        await using ChildProcess daemon = ChildProcess.Start(start, "serve", "--unix", folder["d.sock"]);

        (await daemon.ExitAsync()).Should().Be(2);
        daemon.Errors.TrimEnd().Should().Contain(named).And.NotContain("\n");
    }

    [Fact]
    public async Task Serve_RelativeEndpointInTheEnvironment_IsRefusedWithExitCode2()
    {
        System.Diagnostics.ProcessStartInfo start = Samples.ManagementDaemon;
        start.Environment["PortmapServer__Endpoints__0"] = "unix:d.sock";
        await using ChildProcess daemon = ChildProcess.Start(start, "serve");

        (await daemon.ExitAsync()).Should().Be(2);
        daemon.Errors.TrimEnd().Should().Contain("unix:d.sock").And.Contain("absolute").And.NotContain("\n");
    }

    [Theory]
    [InlineData("0660", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite)]
    [InlineData("600", UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    public async Task Serve_SocketModeInTheEnvironment_IsReadAsOctal(string mode, UnixFileMode expected)
    {
        using TempFolder folder = new();
        System.Diagnostics.ProcessStartInfo start = Samples.ManagementDaemon;
        start.Environment["PortmapServer__SocketMode"] = mode;
        await using ChildProcess daemon = ChildProcess.Start(start, "serve", "--unix", folder["d.sock"]);

        (await daemon.ReadLineAsync()).Should().StartWith("ready ");
#pragma warning disable CA1416 // on Windows there is no mode to look at, and this test says so
        File.GetUnixFileMode(folder["d.sock"]).Should().Be(expected);
#pragma warning restore CA1416
    }

    [Fact]
    public async Task Serve_RelativePathsOnTheCommandLine_MeanTheFolderItWasTypedIn()
    {
        using TempFolder folder = new();
        System.Diagnostics.ProcessStartInfo start = Samples.ManagementDaemon;
        start.WorkingDirectory = folder.FullName;
        await using ChildProcess daemon = ChildProcess.Start(start, "serve", "--unix", "d.sock", "--state", "state");

        (await daemon.ReadLineAsync()).Should().Be($"ready unix:{folder["d.sock"]}");
        Directory.Exists(folder["state"]).Should().BeTrue();
    }
}
