using Spectre.Console;

namespace Portmap.Tool.Output;

/// <summary>Tables for people.</summary>
internal static class Tables
{
    public static TextTable Make(params IEnumerable<string> columns)
    {
        TextTable table = new TextTable().Border(TableBorder.None);
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column, new Style(decoration: Decoration.Bold))).PadLeft(0).PadRight(2).NoWrap());
        }

        return table;
    }

    /// <summary>A row of texts that are never read as markup.</summary>
    public static void Add(TextTable table, params IEnumerable<string> cells) => table.AddRow(cells.Select(cell => new Text(cell)));

    public static TextTable OfEntries(IEnumerable<PortEntry> entries, DateTimeOffset now)
    {
        TextTable table = Make("PORT", "STATE", "OWNER", "PROCESS", "AGE", "GUARANTEE", "ADDRESSES");
        foreach (PortEntry entry in entries)
        {
            table.AddRow(
                new Text(Words.Place(entry)),
                State(entry.State),
                new Text(Words.Of(entry.Owner)),
                new Text(Words.Of(entry.ProcessId)),
                new Text(Words.Of(now - entry.Since)),
                new Text(entry.State is PortState.Bound or PortState.Reserved ? Words.Of(entry.Guarantee) : Words.None),
                new Text(Words.Of(entry.Addresses)));
        }

        return table;
    }

    public static Text State(PortState state) => new(Words.Of(state), new Style(Colour(state)));

    public static Color Colour(PortState state) => state switch
    {
        PortState.Bound => Color.Green,
        PortState.Reserved => Color.Yellow,
        PortState.Recovered => Color.Aqua,
        PortState.Cooling => Color.Blue,
        PortState.Foreign => Color.Red,
        _ => Color.Default,
    };
}
