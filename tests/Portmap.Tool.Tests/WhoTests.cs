using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Portmap.Tool.Tests;

/// <summary>Who has a port.</summary>
public sealed class WhoTests : ToolTest
{
    /// <summary>Runs a program that is refused sockets of AF_NETLINK, as in a sandbox: prctl(2) with
    /// PR_SET_NO_NEW_PRIVS, then with PR_SET_SECCOMP and a filter of socket(2).</summary>
    private const string WithoutNetlink =
        """
        import ctypes, os, struct, sys
        socket = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
        code = b"".join(struct.pack("=HBBI", *step) for step in [
            (0x20, 0, 0, 0), (0x15, 0, 3, socket), (0x20, 0, 0, 16), (0x15, 0, 1, 16), (0x06, 0, 0, 0x50000 | 97), (0x06, 0, 0, 0x7fff0000)])
        class Filter(ctypes.Structure):
            _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_char_p)]
        libc = ctypes.CDLL(None)
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(Filter(6, code)), 0, 0):
            sys.exit("this kernel filters no system calls")
        os.execvp(sys.argv[1], sys.argv[1:])
        """;

    [Fact]
    public async Task Who_WithoutADaemon_NamesTheProcessByTheKernel()
    {
        string port = ListenOn(IPAddress.Loopback).ToString(CultureInfo.InvariantCulture);

        Outcome outcome = await RunAsync("who", port);

        outcome.ExitCode.Should().Be(0);
        outcome.Lines.Should().HaveCount(2);
        outcome.Lines[1].Should().Contain("127.0.0.1").And.Contain("listens").And.Contain(Text($" {Environment.ProcessId} "));
        outcome.Errors.Should().Contain("Only the kernel is asked");
    }

    [Fact]
    public async Task WhoJson_WithADaemon_HasBothSources()
    {
        await ServeAsync();
        PortEntry entry = await RegisterAsync("b1");

        Outcome outcome = await RunAsync("who", "--json", Text($"{entry.Port}"));

        JsonElement[] lines = [.. outcome.Lines.Select(line => JsonDocument.Parse(line).RootElement)];
        lines.Select(line => line.GetProperty("source").GetString()).Should().Equal("kernel", "daemon");
        lines.Should().OnlyContain(line => line.GetProperty("pid").GetInt32() == Environment.ProcessId);
        lines[0].GetProperty("listens").GetBoolean().Should().BeTrue();
        lines[1].GetProperty("owner").GetString().Should().Be("b1");
    }

    [Fact]
    public async Task Who_OfAPortThatNobodyHas_IsOne()
    {
        await ServeAsync();

        Outcome outcome = await RunAsync("who", Text($"{PortBlock.TakeOne()}"));

        outcome.ExitCode.Should().Be(1);
        outcome.Errors.Should().Contain("Nobody has port");
    }

    [NeedsFact("python3")]
    public async Task Who_WhereTheKernelCannotBeAsked_DoesNotSayThatNobodyHasThePort()
    {
        System.Diagnostics.ProcessStartInfo start = Programs.Tool;
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;
        string tool = start.FileName;
        start.FileName = "python3";
        await using ChildProcess asking = ChildProcess.Start(start, "-c", WithoutNetlink, tool, "who", Text($"{ListenOn(IPAddress.Loopback)}"));

        (await asking.ExitAsync()).Should().Be(3, asking.Errors);

        asking.Errors.Should().Contain("cannot be told here").And.NotContain("Nobody has port");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
