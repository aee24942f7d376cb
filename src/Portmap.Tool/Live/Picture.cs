using Portmap.Processes;
using Portmap.Tool.Examining;
using Portmap.Tool.Output;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Portmap.Tool.Live;

/// <summary>One picture of the map, as large as the terminal.</summary>
internal static class Picture
{
    private const int LinesAround = 9;

    public static IRenderable Draw((string Name, bool IsHere) daemon, IReadOnlyList<PortEntry> entries, IReadOnlyList<PortRange> ranges, string rates, string trouble, DateTimeOffset now, int width, int height)
    {
        List<IRenderable> rows =
        [
            new Text(Words.Text($"portmap top   {Words.Of(daemon.Name)}   {now.ToLocalTime():HH:mm:ss}   q ends"), new Style(decoration: Decoration.Bold)),
            new Text(trouble.Length == 0 ? $"changes: {rates}" : Words.Of(trouble), trouble.Length == 0 ? Style.Plain : new Style(Color.Red)),
            new Text(string.Join(", ", ranges.Select(range => Words.Text($"{range.First} to {range.Last}")))),
            RangeBar.Of(entries, ranges, width - 1),
            RangeBar.Legend(entries, ranges),
        ];
        Check[] found = [.. MapChecks.Find(entries, daemon.IsHere).Where(check => check.Result == CheckResult.Found)];
        string none = daemon.IsHere ? "findings: none" : "findings: processes are not looked at from here";
        rows.Add(new Text(found.Length == 0 ? none : Cut($"findings: {string.Join("; ", found.Select(check => $"{check.Name} {check.Value}"))}", width), found.Length == 0 ? Style.Plain : new Style(Color.Red)));
        rows.Add(new Text(string.Empty));
        rows.Add(Owners(entries, daemon.IsHere, now, Math.Max(height - LinesAround, 1)));
        return new Rows(rows);
    }

    private static TextTable Owners(IReadOnlyList<PortEntry> entries, bool isHere, DateTimeOffset now, int most)
    {
        TextTable table = Tables.Make("PORT", "STATE", "OWNER", "PID", "COMMAND", "AGE");
        PortEntry[] owned = [.. entries.Where(entry => entry.State is PortState.Bound or PortState.Reserved or PortState.Recovered).OrderByDescending(entry => entry.Since).ThenByDescending(entry => entry.Epoch)];
        foreach (PortEntry entry in owned.Take(owned.Length > most ? most - 1 : most))
        {
            table.AddRow(
                new Text(Words.Place(entry)),
                Tables.State(entry.State),
                new Text(Cut(Words.Of(entry.Owner), 40)),
                new Text(Words.Of(entry.ProcessId)),
                new Text(isHere && entry.ProcessId is { } process ? Words.Of(ProcessFiles.NameOf(process)) : Words.None),
                new Text(Words.Of(now - entry.Since)));
        }

        if (owned.Length > most)
        {
            Tables.Add(table, Words.Text($"and {owned.Length - most + 1} more"), string.Empty, string.Empty, string.Empty, string.Empty, string.Empty);
        }

        return table;
    }

    private static string Cut(string text, int width) => text.Length < width ? text : text[..Math.Max(width - 2, 1)] + "…";
}
