using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using Portmap.AspNetCore;
using Portmap.Etcd;
using Portmap.Hosting;
using Portmap.Rpc;

namespace Portmap.Docs.Tests;

/// <summary>The tables of the reference say what the code says.</summary>
public sealed partial class ReferenceTests
{
    private const string Folder = "docs/reference/";

    private static readonly Assembly[] s_packages =
    [
        typeof(PortRegistry).Assembly, typeof(PortmapServer).Assembly, typeof(FleetMap).Assembly,
        typeof(PortmapServerServiceCollectionExtensions).Assembly, typeof(PortmapWebHostBuilderExtensions).Assembly,
    ];

    [Theory]
    [InlineData(typeof(PortRegistryOptions), "Portmap")]
    [InlineData(typeof(PortmapServerOptions), "PortmapServer")]
    [InlineData(typeof(PortmapFleetOptions), "PortmapFleet")]
    [InlineData(typeof(WorkerPortOptions), "")]
    [InlineData(typeof(PortmapClientOptions), "")]
    public void Options_EachProperty_HasItsRowWithItsDefault(Type type, string section)
    {
        object defaults = Activator.CreateInstance(type)!;
        string[] expected = [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(property => Row(property, defaults, section))];
        string heading = $"## {type.Name}";
        string page = Pages.Read($"{Folder}options.md");

        page.Should().Contain(heading);
        Table(page, heading).Select(cells => $"{cells[0]} = {cells[1]}").Should().BeEquivalentTo(expected);
    }

    [Fact]
    public void Environment_EachVariable_HasItsRow() =>
        FirstCells("environment.md", @"^`(PORTMAP_\w+)`$").Should().BeEquivalentTo(
            Regex.Matches(Pages.Read("src/Shared/PortmapVariables.cs"), "\"(PORTMAP_\\w+)\"").Select(match => match.Groups[1].Value));

    [Theory]
    [InlineData("## `portmap`", "src/Portmap.Tool/ExitCode.cs")]
    [InlineData("## The sample daemon", "samples/ManagementDaemon/ExitCode.cs")]
    public void ExitCodes_EachOfAProgram_HasItsRow(string heading, string source) =>
        Table(Pages.Read($"{Folder}exit-codes.md"), heading).Select(cells => cells[0]).Should().BeEquivalentTo(
            Regex.Matches(Pages.Read(source), @"const int \w+ = (\d+);").Select(match => match.Groups[1].Value));

    [Fact]
    public void LogIds_EachMessage_HasItsRow()
    {
        string[] expected =
        [
            .. s_packages.SelectMany(assembly => assembly.GetTypes())
                .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>())
                .OfType<LoggerMessageAttribute>()
                .Select(message => string.Create(CultureInfo.InvariantCulture, $"{message.EventId} {message.Level} `{message.EventName}`")),
        ];

        Pages.Rows($"{Folder}log-ids.md").Where(cells => int.TryParse(cells[0], out _)).Select(cells => $"{cells[0]} {cells[1]} {cells[2]}")
            .Should().BeEquivalentTo(expected).And.OnlyHaveUniqueItems("an id says which message it is");
    }

    [Fact]
    public void Wire_EachProcedure_HasItsRow() =>
        Pages.Rows($"{Folder}wire.md").Where(cells => int.TryParse(cells[0], out _)).Select(cells => $"{cells[1].Trim('`')} = {cells[0]}").Should().BeEquivalentTo(
            Regex.Matches(Pages.Read("src/Portmap.Rpc/Protocol/portmap.x"), @"^ +\w+ (PORTMAP_\w+)\(.*\) = (\d+);", RegexOptions.Multiline)
                .Select(match => $"{match.Groups[1].Value} = {match.Groups[2].Value}"));

    [Theory]
    [InlineData(typeof(PortRefusalReason), "refusals.md")]
    [InlineData(typeof(PortFindingKind), "findings.md")]
    public void Enumerations_EachMember_HasItsRow(Type type, string page) =>
        FirstCells(page, @"^`(\w+)`$").Should().BeEquivalentTo(Enum.GetNames(type));

    private static string Row(PropertyInfo property, object defaults, string section)
    {
        string key = section.Length == 0 ? property.Name : $"{section}:{property.Name}";
        object? value = property.GetValue(defaults);
        string text = value switch
        {
            null => "none",
            string { Length: 0 } => "none",
            string machine when machine == Environment.MachineName => "the machine's name",
            TimeSpan infinite when infinite == Timeout.InfiniteTimeSpan => "never",
            TimeSpan time => $"`{time:c}`",
            bool yes => yes ? "`true`" : "`false`",
            TimeProvider => "the system's clock",
            IEnumerable list and not string => list.Cast<object>().Any() ? string.Join(", ", list) : "none",
            _ => string.Create(CultureInfo.InvariantCulture, $"`{value}`"),
        };
        return $"`{key}` = {text}";
    }

    private static IEnumerable<string> FirstCells(string page, string pattern) =>
        Pages.Rows(Folder + page).Select(cells => Regex.Match(cells[0], pattern)).Where(match => match.Success).Select(match => match.Groups[1].Value);

    /// <summary>The rows of the first table below a heading, without its head.</summary>
    private static IEnumerable<string[]> Table(string page, string heading)
    {
        string rest = page[(page.IndexOf(heading + "\n", StringComparison.Ordinal) + heading.Length)..];
        return rest.Split('\n').SkipWhile(line => !line.StartsWith("| ", StringComparison.Ordinal)).TakeWhile(line => line.StartsWith('|'))
            .Skip(1).Where(line => !line.StartsWith("|--", StringComparison.Ordinal) && !line.StartsWith("| --", StringComparison.Ordinal))
            .Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray());
    }
}
