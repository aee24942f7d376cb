using Portmap.Architecture.Tests.Reading;
using Portmap.Rpc;

namespace Portmap.Architecture.Tests.Rules;

/// <summary>
/// A package as it stands: its types, each in its room, who knows whom, and the sources.
/// </summary>
internal sealed class House
{
    private static readonly Lazy<House> s_core = new(() => Read("Portmap", typeof(PortRegistry).Assembly.Location, Plan.Core, Sizes.OfTheCore));
    private static readonly Lazy<House> s_wire = new(() => Read("Portmap.Rpc", typeof(PortmapServer).Assembly.Location, Plan.Wire, Sizes.OfTheWire));

    private House(string package, AssemblyEdges assembly, SourceTree sources, Plan plan, Sizes sizes)
    {
        Package = package;
        Sources = sources;
        Plan = plan;
        Sizes = sizes;
        Edges = assembly.Edges;
        Rooms = assembly.Types.ToDictionary(type => type, type => plan.RoomOf(type, sources.Types.GetValueOrDefault(type)?.Folder));
    }

    public static House Core => s_core.Value;

    public static House Wire => s_wire.Value;

    public string Package { get; }

    public SourceTree Sources { get; }

    public Plan Plan { get; }

    public Sizes Sizes { get; }

    public IReadOnlyList<Edge> Edges { get; }

    /// <summary>The room of each type.</summary>
    public IReadOnlyDictionary<string, string> Rooms { get; }

    public IReadOnlyList<IReadOnlyList<string>> Knots => Graph.Knots(Edges.Select(edge => (edge.From, edge.To)));

    /// <summary>Rooms that all know each other, by whatever way.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Cycles => Graph.Knots(Edges.Select(edge => (Rooms[edge.From], Rooms[edge.To])).Where(edge => edge.Item1 != edge.Item2));

    public static House Of(string package, Stream assembly, IEnumerable<(string Path, string Text)> sources, Plan plan, Sizes sizes) =>
        new(package, AssemblyEdges.Of(assembly), SourceTree.Of(sources), plan, sizes);

    private static House Read(string package, string assembly, Plan plan, Sizes sizes)
    {
        string folder = Path.Combine(RepositoryFiles.Root, "src", package);
        House house = new(package, AssemblyEdges.Of(assembly), SourceTree.OfFolder(folder), plan, sizes);
        HashSet<string> elsewhere = [.. house.Rooms.Where(type => type.Value == Plan.Shared).Select(type => type.Key)];
        elsewhere.ExceptWith(SourceTree.Of(LinkedSources.Of(Path.Combine(folder, $"{package}.csproj"))).Types.Keys);
        return elsewhere.Count == 0 ? house : throw new InvalidDataException($"No source was found of {string.Join(", ", elsewhere)} in {package}.");
    }
}
