using Portmap.Architecture.Tests.Reading;

namespace Portmap.Architecture.Tests.Rules;

/// <summary>
/// What must hold of each package (HOUSE in words): arrows, no cycle of rooms, no large knot of
/// types, sizes.
/// </summary>
internal static class HouseRules
{
    public static IReadOnlyDictionary<string, Func<House, IEnumerable<Offence>>> All { get; } = new Dictionary<string, Func<House, IEnumerable<Offence>>>
    {
        ["arrow"] = Arrows,
        ["cycle"] = Cycles,
        ["knot"] = Knots,
        ["lines"] = Lines,
        ["files"] = Files,
        ["parameters"] = house => Methods(house, "parameters", method => method.Parameters, house.Sizes.Parameters),
        ["outs"] = house => Methods(house, "outs", method => method.Outs, house.Sizes.Outs),
    };

    public static IReadOnlyList<Offence> Of(House house) => [.. All.Values.SelectMany(rule => rule(house))];

    private static IEnumerable<Offence> Arrows(House house) =>
        from edge in house.Edges
        let rooms = (From: house.Rooms[edge.From], To: house.Rooms[edge.To])
        where !house.Plan.Allows(rooms.From, rooms.To)
        select new Offence(house.Package, "arrow", edge.Name, 0, $"{rooms.From} may not know {rooms.To}, in {edge.Where}");

    private static IEnumerable<Offence> Cycles(House house) =>
        from cycle in house.Cycles
        from room in cycle
        let way = house.Edges.Where(edge => house.Rooms[edge.From] == room && house.Rooms[edge.To] != room && cycle.Contains(house.Rooms[edge.To]))
        let unplanned = way.Where(edge => !house.Plan.Allows(room, house.Rooms[edge.To]))
        select new Offence(house.Package, "cycle", room, 0, $"with {string.Join(", ", cycle)}, by {Some(unplanned.Any() ? unplanned : way)}");

    private static IEnumerable<Offence> Knots(House house) =>
        from knot in house.Knots
        where knot.Count > house.Sizes.Knot
        from type in knot
        let way = house.Edges.Where(edge => edge.From == type && knot.Contains(edge.To))
        select new Offence(house.Package, "knot", type, 0, $"one of {knot.Count}, by {Some(way)}");

    private static IEnumerable<Offence> Lines(House house)
    {
        string? longest = house.Sources.Types.Values.Where(type => type.Lines > house.Sizes.Lines).MaxBy(type => type.Lines)?.Name;
        return from type in house.Sources.Types.Values
               let most = house.Sizes.Named.TryGetValue(type.Name, out var named) ? named.Lines : type.Name == longest ? house.Sizes.LinesOfOne : house.Sizes.Lines
               where type.Lines > most
               select new Offence(house.Package, "lines", type.Name, type.Lines, $"{type.Lines} lines, at most {most}");
    }

    private static IEnumerable<Offence> Files(House house) =>
        from named in house.Sizes.Named
        let type = house.Sources.Types[named.Key]
        where type.Files.Count > named.Value.Files
        select new Offence(house.Package, "files", type.Name, type.Files.Count, $"at most {named.Value.Files} files, not {string.Join(", ", type.Files)}");

    private static IEnumerable<Offence> Methods(House house, string rule, Func<SourceMethod, int> count, int most) =>
        from type in house.Sources.Types.Values
        from method in type.Methods
        where count(method) > most
        group method by method.Name into overloads
        let worst = overloads.MaxBy(count)
        select new Offence(house.Package, rule, worst.Name, count(worst), $"{count(worst)}, at most {most}, at {worst.Where}");

    private static string Some(IEnumerable<Edge> edges) => string.Join("; ", edges.Take(5));
}
