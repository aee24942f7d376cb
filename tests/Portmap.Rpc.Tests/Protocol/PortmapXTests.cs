using System.Diagnostics;
using System.Text.RegularExpressions;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests.Protocol;

public partial class PortmapXTests
{
    private static readonly string s_path = Path.Combine(AppContext.BaseDirectory, "portmap.x");

    [NeedsFact("rpcgen")]
    public async Task PortmapX_GivenToRpcgen_MakesStubs()
    {
        foreach (string what in (string[])["-h", "-c", "-l", "-m"])
        {
            var start = new ProcessStartInfo("rpcgen") { RedirectStandardOutput = true, RedirectStandardError = true };
            start.ArgumentList.Add(what);
            start.ArgumentList.Add(s_path);
            using Process rpcgen = Process.Start(start)!;
            Task<string> errors = rpcgen.StandardError.ReadToEndAsync();
            string made = await rpcgen.StandardOutput.ReadToEndAsync().Within();
            await rpcgen.WaitForExitAsync().Within();
            (await errors.Within()).Should().BeEmpty();
            rpcgen.ExitCode.Should().Be(0);
            made.Should().Contain("portmap");
        }
    }

    [Theory]
    [InlineData("REASON", typeof(PortRefusalReason), "portmap_reason")]
    [InlineData("STATE", typeof(PortState), "portmap_state")]
    [InlineData("KIND", typeof(PortChangeKind), "portmap_kind")]
    [InlineData("GUARANTEE", typeof(PortGuarantee), "portmap_guarantee")]
    [InlineData("PROTOCOL", typeof(PortProtocol), "portmap_protocol")]
    public void PortmapX_Enum_HasEveryValueOfOurs(string what, Type type, string name)
    {
        string body = Regex.Match(File.ReadAllText(s_path), $@"enum {name} \{{(.*?)\}};", RegexOptions.Singleline).Groups[1].Value;
        NumberPattern().Matches(body).Select(match => int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture))
            .Should().Equal(Enum.GetValues(type).Cast<int>(), "a value without a word on the wire cannot be told: {0}", what);
    }

    [Fact]
    public void PortmapX_Program_HasTheNumbersThatAreServed()
    {
        string text = File.ReadAllText(s_path);
        text.Should().Contain($"= 0x{PortmapProcedure.Program:X8};");
        foreach ((string name, uint number) in (ReadOnlySpan<(string, uint)>)[
            ("ACQUIRE", PortmapProcedure.Acquire), ("REGISTER", PortmapProcedure.Register), ("BIND_FAILED", PortmapProcedure.BindFailed),
            ("RELEASE", PortmapProcedure.Release), ("LOOKUP", PortmapProcedure.Lookup), ("LIST", PortmapProcedure.List),
            ("WAIT_FOR_CHANGE", PortmapProcedure.WaitForChange), ("LOOKUP_PORT", PortmapProcedure.LookupPort), ("ACQUIRE_ALL", PortmapProcedure.AcquireAll), ("EXTEND", PortmapProcedure.Extend), ("ACQUIRE_FLEET", PortmapProcedure.AcquireFleet),
            ("ACQUIRE_UNLESS_SERVED", PortmapProcedure.AcquireUnlessServed)])
        {
            text.Should().MatchRegex($@"PORTMAP_{name}\(\w+\) = {number};");
        }
    }

    [GeneratedRegex(@"= (-?\d+)")]
    private static partial Regex NumberPattern();
}
