using System.Globalization;
using Portmap.Architecture.Tests.Reading;
using Portmap.Architecture.Tests.Rules;

namespace Portmap.Architecture.Tests;

/// <summary>How a house stands, in figures. CONTRIBUTING.md keeps them.</summary>
internal static class Tables
{
    /// <summary>The table of CONTRIBUTING.md: a row for each figure, a column for each
    /// package.</summary>
    public static void PrintFigures(IReadOnlyList<House> houses, TextWriter to)
    {
        to.WriteLine($"| | {string.Join(" | ", houses.Select(house => house.Package))} |");
        to.WriteLine($"|---|{string.Concat(Enumerable.Repeat("---|", houses.Count))}");
        Row("types; edges from type to type", house => $"{house.Rooms.Count}; {house.Edges.Count}");
        Row("knots of types", house => Listed(house.Knots.Select(knot => knot.Count)));
        Row("rooms in cycles", house => Listed(house.Cycles.Select(cycle => cycle.Count)));
        Row("arrows against the plan", house => $"{Unplanned(house).Count}");
        Row("files; median / p90 / most lines", house => Files(house.Sources.FileLines));
        Row("largest type: lines, files, share", house => Share(house, house.Sources.Types.Values.MaxBy(type => type.Lines)!));
        Row("methods over five parameters, over two outs", house => $"{Count(house, "parameters")}, {Count(house, "outs")}");
        to.WriteLine();

        void Row(string what, Func<House, string> figure) => to.WriteLine($"| {what} | {string.Join(" | ", houses.Select(figure))} |");
    }

    /// <summary>One package room by room, with what its figures consist of.</summary>
    public static void PrintRooms(House house, TextWriter to)
    {
        to.WriteLine($"# {house.Package}");
        to.WriteLine();
        to.WriteLine("Types in each room, and the rooms that they know (with the number of edges; ! is against the plan):");
        to.WriteLine();
        foreach (string room in house.Plan.Rooms)
        {
            to.WriteLine($"    {room,-12} {house.Rooms.Values.Count(value => value == room),3}  {Known(house, room)}");
        }

        List("Largest types:", house.Sources.Types.Values.OrderByDescending(type => type.Lines).Take(6).Select(type => $"{type.Name}: {Share(house, type)}"));
        List("Knots:", house.Knots.Select(knot => $"{knot.Count}: {string.Join(", ", knot)}"));
        List("Cycles:", house.Cycles.Select(cycle => string.Join(", ", cycle)));
        List("Arrows against the plan:", Unplanned(house).Select(edge => $"{house.Rooms[edge.From]} -> {house.Rooms[edge.To]}: {edge}"));
        to.WriteLine();

        void List(string what, IEnumerable<string> lines)
        {
            to.WriteLine();
            to.WriteLine(what);
            lines.DefaultIfEmpty("none").ToList().ForEach(line => to.WriteLine($"    {line}"));
        }
    }

    private static List<Edge> Unplanned(House house) => [.. house.Edges.Where(edge => !house.Plan.Allows(house.Rooms[edge.From], house.Rooms[edge.To]))];

    private static string Share(House house, SourceType type) => string.Create(
        CultureInfo.InvariantCulture, $"{type.Lines} lines, {type.Files.Count} files, {100.0 * type.Lines / house.Sources.FileLines.Sum():0} %");

    private static string Known(House house, string room) => string.Join(", ",
        from edge in house.Edges
        where house.Rooms[edge.From] == room && house.Rooms[edge.To] != room
        group edge by house.Rooms[edge.To] into known
        orderby known.Count() descending
        select $"{known.Key} {known.Count()}{(house.Plan.Allows(room, known.Key) ? "" : "!")}");

    private static string Files(IReadOnlyList<int> lines) => $"{lines.Count}; {lines[lines.Count / 2]} / {lines[lines.Count * 9 / 10]} / {lines[^1]}";

    private static int Count(House house, string rule) => HouseRules.All[rule](house).Count();

    private static string Listed<T>(IEnumerable<T> items) => string.Join(", ", items) is { Length: > 0 } text ? text : "none";
}
