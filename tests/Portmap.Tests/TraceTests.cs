using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;
using Portmap.Table;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>src/Portmap/TRACE.md names files and members that are there, and a debugger shows
/// words.</summary>
public sealed partial class TraceTests
{
    [Fact]
    public void Trace_EachStep_NamesAMemberOfItsFile()
    {
        string folder = RepositoryFiles.PathOf("src", "Portmap");
        List<string> wrong = [];
        MatchCollection steps = Step().Matches(File.ReadAllText(Path.Combine(folder, "TRACE.md")));
        foreach (Match step in steps)
        {
            (string type, string member, string file) = (step.Groups["type"].Value, step.Groups["member"].Value, step.Groups["file"].Value);
            string source = Path.Combine(folder, file);
            string text = File.Exists(source) ? File.ReadAllText(source) : string.Empty;
            if (!Regex.IsMatch(text, $@"(class|struct) {type}\b") || !Regex.IsMatch(text, $@"[ .]{member}\b(<T>)?( \{{|\(| =>)"))
            {
                wrong.Add($"{type}.{member} is not in {file}");
            }
        }

        steps.Count.Should().BeGreaterThan(40);
        wrong.Should().BeEmpty();
    }

    [Fact]
    public async Task DebuggerDisplay_OfWhatIsLookedAtMost_SaysWhatItIs()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire("shown");
        PortEntry entry = scene.Here.Register("other", Scene.First + 7);

        lease.Claim.Display.Should().Match("lease of shown on *, epoch *: Reserved at *");
        new ClaimView(lease.Claim).Word.Display.Should().StartWith("Reserved at ");
        lease.Claim.Cell!.Display.Should().StartWith("shown/Tcp: lease of shown");
        scene.Here.Holder.Display.Should().StartWith($"Connected: pid {Environment.ProcessId}");
        Shown(entry).Should().Be($"Bound {Scene.First + 7}/Tcp of other");
        foreach (Type type in (Type[])[typeof(ClaimWord), typeof(PortClaim), typeof(OwnerCell), typeof(PortLease), typeof(PortSession), typeof(PortEntry)])
        {
            type.GetCustomAttribute<DebuggerDisplayAttribute>().Should().NotBeNull("a debugger shows {0}", type.Name);
        }
    }

    private static string Shown(PortEntry entry) =>
        (string)typeof(PortEntry).GetProperty("Display", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(entry)!;

    [GeneratedRegex(@"\[`(?<type>\w+)\.(?<member>\w+)`\]\((?<file>[\w./]+\.cs)\)")]
    private static partial Regex Step();
}
