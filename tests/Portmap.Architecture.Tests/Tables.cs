using System.Globalization;
using Portmap.Architecture.Tests.Reading;
using Portmap.Architecture.Tests.Rules;

namespace Portmap.Architecture.Tests;

/// <summary>How a house stands, in figures. CONTRIBUTING.md keeps them.</summary>
internal static class Tables
{
    public static void Print(House house, TextWriter to)
    {
        IReadOnlyList<IReadOnlyList<string>> knots = house.Knots;
        IReadOnlyList<IReadOnlyList<string>> cycles = house.Cycles;
        List<Edge> unplanned = [.. house.Edges.Where(edge => !house.Plan.Allows(house.Rooms[edge.From], house.Rooms[edge.To]))];
        to.WriteLine($"# {house.Package}");
        to.WriteLine();
        to.WriteLine("| what | figure |");
        to.WriteLine("|---|---|");
        to.WriteLine($"| types | {house.Rooms.Count} |");
        to.WriteLine($"| edges from type to type | {house.Edges.Count} |");
        to.WriteLine($"| knots of types: sizes | {Listed(knots.Select(knot => knot.Count))} |");
        to.WriteLine($"| cycles of rooms | {Listed(cycles.Select(cycle => string.Join(" ", cycle)))} |");
        to.WriteLine($"| arrows against the plan | {unplanned.Count} |");
        to.WriteLine($"| files; median, p90, most lines | {Files(house.Sources.FileLines)} |");
        to.WriteLine($"| methods over {house.Sizes.Parameters} parameters, over {house.Sizes.Outs} outs | {Count(house, "parameters")}, {Count(house, "outs")} |");
        to.WriteLine();
        to.WriteLine("Largest types, in all their parts:");
        to.WriteLine();
        to.WriteLine("| type | lines | files | share of the package |");
        to.WriteLine("|---|---|---|---|");
        foreach (SourceType type in house.Sources.Types.Values.OrderByDescending(type => type.Lines).Take(6))
        {
            to.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {type.Name} | {type.Lines} | {type.Files.Count} | {100.0 * type.Lines / house.Sources.FileLines.Sum():0} % |"));
        }

        to.WriteLine();
        to.WriteLine("Types in each room, and the rooms that they know (with the number of edges; ! is against the plan):");
        to.WriteLine();
        foreach (string room in house.Plan.Rooms)
        {
            to.WriteLine($"    {room,-12} {house.Rooms.Values.Count(value => value == room),3}  {Known(house, room)}");
        }

        foreach (IReadOnlyList<string> knot in knots)
        {
            to.WriteLine();
            to.WriteLine($"Knot of {knot.Count}: {string.Join(", ", knot)}");
        }

        if (unplanned.Count > 0)
        {
            to.WriteLine();
            to.WriteLine("Arrows against the plan:");
            to.WriteLine();
            unplanned.ForEach(edge => to.WriteLine($"    {house.Rooms[edge.From]} -> {house.Rooms[edge.To]}: {edge}"));
        }

        to.WriteLine();
    }

    private static string Known(House house, string room) => string.Join(", ",
        from edge in house.Edges
        where house.Rooms[edge.From] == room && house.Rooms[edge.To] != room
        group edge by house.Rooms[edge.To] into known
        orderby known.Count() descending
        select $"{known.Key} {known.Count()}{(house.Plan.Allows(room, known.Key) ? "" : "!")}");

    private static string Files(IReadOnlyList<int> lines) => $"{lines.Count}; {lines[lines.Count / 2]}, {lines[lines.Count * 9 / 10]}, {lines[^1]}";

    private static int Count(House house, string rule) => HouseRules.All[rule](house).Count();

    private static string Listed<T>(IEnumerable<T> items) => string.Join(", ", items) is { Length: > 0 } text ? text : "none";
}
