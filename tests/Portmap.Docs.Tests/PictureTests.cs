using System.Text.RegularExpressions;
using System.Xml.Linq;
using Portmap.Pictures;

namespace Portmap.Docs.Tests;

/// <summary>The pictures that commands of the repository make.</summary>
public sealed partial class PictureTests
{
    private const string Blue = "\u001b[1;38;5;12m", Green = "\u001b[38;5;2m", Usual = "\u001b[0m";

    [Fact]
    public void Read_LineWithColours_GivesEachRunItsColumnAndColour() =>
        Span.Read($"\u001b[?1h\u001b={Blue}1. A scene{Usual}  and {Green}Bound{Usual}   \r").Should().Equal(
            new Span(0, "1. A scene", 12, IsBold: true),
            new Span(10, "  and", -1, IsBold: false),
            new Span(16, "Bound", 2, IsBold: false));

    [Fact]
    public void Draw_LinesOfATerminal_IsAnSvgThatShowsEachOnItsRow()
    {
        Recording recording = new([(TimeSpan.FromSeconds(1), $"{Blue}<1>{Usual}"), (TimeSpan.FromSeconds(2), string.Empty), (TimeSpan.FromSeconds(3), "   a & b")], TimeSpan.FromSeconds(3));

        XElement[] texts = [.. XDocument.Parse(TerminalPicture.Draw(recording)).Descendants().Where(element => element.Name.LocalName == "text")];

        texts.Select(text => text.Value).Should().Equal("<1>", "a & b");
        texts.Select(text => (double)text.Attribute("y")!).Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
        ((double)texts[1].Attribute("x")!).Should().BeGreaterThan((double)texts[0].Attribute("x")!, "three blanks stand before it");
    }

    [Fact]
    public async Task Record_CommandInATerminal_KeepsItsLinesAndItsExitCode()
    {
        (Recording recording, int exitCode) = await Recording.MakeAsync(["bash", "-c", "[[ -t 1 ]] && echo \"it's a terminal\"; exit 3"]).Within();

        recording.Lines.Select(line => line.Text.TrimEnd('\r')).Should().Equal("it's a terminal");
        exitCode.Should().Be(3);
    }

    [Fact]
    public void Demo_AsCommitted_ShowsEachSceneOfToday()
    {
        string picture = string.Concat(XDocument.Parse(Pages.Read("docs/images/demo.svg")).Descendants().Where(element => element.Name.LocalName == "text").Select(text => text.Value));
        string[] scenes = [.. Directory.EnumerateFiles(Path.Combine(Pages.Root, "samples/ManagementDaemon/Demo"), "*.cs")
            .SelectMany(file => Scene().Matches(File.ReadAllText(file))).Select(match => match.Groups["title"].Value.Split('}')[^1])];

        scenes.Should().HaveCountGreaterThan(5).And.OnlyContain(scene => picture.Contains(scene), "docs/pictures records it anew: see CONTRIBUTING.md");
        picture.Should().Contain("PASSED");
    }

    [GeneratedRegex("""stage\.Open\(\$?"(?<title>[^"]+)"\)""")]
    private static partial Regex Scene();
}
