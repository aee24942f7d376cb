using System.Globalization;
using System.Text.Json;
using Portmap.Diagnostics;
using Portmap.Processes;

namespace Portmap.Tool.Output;

/// <summary>How values are written, in tables and in JSON.</summary>
internal static class Words
{
    public const string None = "-";

    /// <summary>How many characters of a name a message repeats.</summary>
    private const int MostShown = 60;

    /// <summary>An enum's value as a word, such as <c>heldByProcess</c>.</summary>
    public static string Of<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    public static string Of(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? None;

    public static string Of(string text) => text.Length == 0 ? None : Printable.Of(text);

    /// <summary>A name in a message, between quotes.</summary>
    public static string Quoted(string name) => $"'{Cut(name)}'";

    /// <summary>A name in a message, whose end is left out where it is long.</summary>
    public static string Cut(string name) =>
        name.Length <= MostShown ? name : $"{name[..(char.IsHighSurrogate(name[MostShown - 1]) ? MostShown - 1 : MostShown)]}…";

    /// <summary>A message of somebody else, with a name in it cut.</summary>
    public static string WithCut(string message, string? name) =>
        name is null || name.Length <= MostShown ? message
        : message.Replace(name, Cut(name), StringComparison.Ordinal).Replace(Printable.Of(name), Cut(name), StringComparison.Ordinal);

    /// <summary>How long something lasts, in its two largest units.</summary>
    public static string Of(TimeSpan time) => time switch
    {
        { Ticks: < 0 } => "0s",
        { TotalMinutes: < 1 } => Text($"{time.Seconds}s"),
        { TotalHours: < 1 } => Text($"{time.Minutes}m{time.Seconds:00}s"),
        { TotalDays: < 1 } => Text($"{time.Hours}h{time.Minutes:00}m"),
        _ => Text($"{(int)time.TotalDays}d{time.Hours:00}h"),
    };

    /// <summary>A process as people name it: its number, and its program where it is one of this
    /// host's.</summary>
    public static string Process(int? processId, bool isHere) =>
        processId is not { } pid ? None : isHere && ProcessFiles.NameOf(pid) is { Length: > 0 } name ? Text($"{pid} ({Printable.Of(name)})") : Text($"{pid}");

    public static string Place(in PortEntry entry) => Text($"{entry.Port}/{Of(entry.Protocol)}");

    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
