using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;
using Portmap.Table;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>src/Portmap/TRACE.md names files and members that are there, so do the pages about the
/// design, and a debugger shows words.</summary>
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

    [Theory]
    [InlineData("src/Portmap/DESIGN.md")]
    [InlineData("src/Portmap/Persistence/DESIGN.md")]
    [InlineData("src/Portmap/Guarding/DESIGN.md")]
    public void Names_OfADesignPage_AreMembersOfTheirTypes(string page)
    {
        const BindingFlags Own = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        ILookup<string, Type> types = typeof(PortRegistry).Assembly.GetTypes().ToLookup(type => type.Name.Split('`')[0]);
        string[] lost =
        [
            .. Member().Matches(RepositoryFiles.Read(page)).Select(match => (Type: match.Groups["type"].Value, Member: match.Groups["member"].Value))
                .Where(name => types.Contains(name.Type) && !types[name.Type].Any(type => type.GetMember(name.Member, Own).Length > 0))
                .Select(name => $"{name.Type}.{name.Member}"),
        ];

        lost.Should().BeEmpty();
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

    [GeneratedRegex(@"`(?<type>[A-Z]\w+)\.(?<member>[A-Z]\w+)`")]
    private static partial Regex Member();
}
