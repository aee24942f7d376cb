using System.Globalization;
using System.Text.Json;
using Portmap.Diagnostics;
using Portmap.Processes;

namespace Portmap.Tool.Output;

/// <summary>How values are written, in tables and in JSON.</summary>
internal static class Words
{
    public const string None = "-";

    /// <summary>An enum's value as a word, such as <c>heldByProcess</c>.</summary>
    public static string Of<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    public static string Of(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? None;

    public static string Of(string text) => text.Length == 0 ? None : Printable.Of(text);

    /// <summary>How long something lasts, in its two largest units.</summary>
    public static string Of(TimeSpan time) => time switch
    {
        { Ticks: < 0 } => "0s",
        { TotalMinutes: < 1 } => Text($"{time.Seconds}s"),
        { TotalHours: < 1 } => Text($"{time.Minutes}m{time.Seconds:00}s"),
        { TotalDays: < 1 } => Text($"{time.Hours}h{time.Minutes:00}m"),
        _ => Text($"{(int)time.TotalDays}d{time.Hours:00}h"),
    };

    /// <summary>A process as people name it: its number and its program.</summary>
    public static string Process(int? processId) =>
        processId is not { } pid ? None : ProcessFiles.NameOf(pid) is { Length: > 0 } name ? Text($"{pid} ({Printable.Of(name)})") : Text($"{pid}");

    public static string Place(in PortEntry entry) => Text($"{entry.Port}/{Of(entry.Protocol)}");

    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
