using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Portmap.Tool.Tests;

/// <summary>Who has a port.</summary>
public sealed class WhoTests : ToolTest
{
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

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
