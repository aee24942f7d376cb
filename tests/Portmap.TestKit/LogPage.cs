using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;

namespace Portmap.TestKit;

/// <summary>The table of the lines that the packages log (src/Portmap/LOGS.md), and the lines
/// themselves.</summary>
public static partial class LogPage
{
    /// <summary>The rows of one package as the page has them, in its order.</summary>
    public static IReadOnlyList<string> Written(string package)
    {
        string page = RepositoryFiles.Read("src", "Portmap", "LOGS.md");
        string section = page.Split("\n## ").Single(part => part.StartsWith(package + "\n", StringComparison.Ordinal));
        return [.. Row().Matches(section).Select(row => row.Value.TrimEnd('\r'))];
    }

    /// <summary>The rows that an assembly's messages come to, by id.</summary>
    public static IReadOnlyList<string> Of(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        return [.. assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Select(method => (Method: method, Message: method.GetCustomAttribute<LoggerMessageAttribute>()))
            .Where(it => it.Message is not null)
            .OrderBy(it => it.Message!.EventId)
            .Select(it => string.Create(
                CultureInfo.InvariantCulture,
                $"| {it.Message!.EventId} | {it.Message.EventName ?? it.Method.Name} | {it.Message.Level} | {it.Message.Message} |"))];
    }

    /// <summary>Ids and names that stand for more than one message.</summary>
    public static IReadOnlyList<string> Doubles(IEnumerable<string> rows) => [.. rows
        .SelectMany(row => row.Split('|', StringSplitOptions.TrimEntries)[1..3])
        .GroupBy(word => word).Where(same => same.Count() > 1).Select(same => same.Key)];

    [GeneratedRegex(@"^\| \d+ \|.*$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
