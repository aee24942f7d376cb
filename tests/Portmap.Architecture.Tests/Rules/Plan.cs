namespace Portmap.Architecture.Tests.Rules;

/// <summary>
/// The rooms of a package, and what each may know. A room is a folder; the root has two: values,
/// and the facade over all.
/// </summary>
internal sealed class Plan
{
    /// <summary>Sources that both packages link. They know nobody.</summary>
    public const string Shared = "Shared";

    public const string Values = "values";

    public const string Facade = "facade";

    private readonly Dictionary<string, HashSet<string>> _knows = [];
    private readonly HashSet<string> _facade;

    private Plan(params string[] facade)
    {
        _facade = [.. facade];
        Room(Shared);
        Room(Values);
    }

    /// <summary>The registry. How it lies is drawn in src/Portmap/DESIGN.md.</summary>
    public static Plan Core { get; } = new Plan("PortRegistry", "PortLease", "PortSession", "PortmapServiceCollectionExtensions")
        .Room("Table").Room("Processes").Room("Strategies").Room("Diagnostics")
        .Room("Guarding", "Processes")
        .Room("Persistence", "Processes")
        .Room("Operations", "Table", "Processes", "Strategies", "Diagnostics", "Guarding", "Persistence")
        .Room("Upkeep", "Operations", "Table", "Processes", "Strategies", "Diagnostics", "Guarding", "Persistence")
        .Room(Facade, "Upkeep", "Operations", "Table", "Processes", "Strategies", "Diagnostics", "Guarding", "Persistence");

    /// <summary>The wire. How it lies is drawn in src/Portmap.Rpc/DESIGN.md.</summary>
    public static Plan Wire { get; } = new Plan("PortmapServer", "PortmapClient", "WorkerPort")
        .Room("Diagnostics")
        .Room("Xdr")
        .Room("Protocol", "Xdr")
        .Room("Calling", "Protocol", "Xdr", "Diagnostics")
        .Room("Working", "Calling", "Protocol", "Xdr", "Diagnostics")
        .Room("Serving", "Protocol", "Xdr", "Diagnostics")
        .Room("Programs", "Serving", "Protocol", "Xdr", "Diagnostics")
        .Room(Facade, "Programs", "Serving", "Working", "Calling", "Protocol", "Xdr", "Diagnostics");

    public IEnumerable<string> Rooms => _knows.Keys;

    /// <summary>
    /// A room that is not drawn here is an error: somebody made a folder without saying what it may
    /// know.
    /// </summary>
    public string RoomOf(string type, string? folder) => folder switch
    {
        null => Shared,
        "" => _facade.Contains(type) ? Facade : Values,
        _ when _knows.ContainsKey(folder) => folder,
        _ => throw new InvalidDataException($"{type} stands in the folder '{folder}', which {nameof(Plan)}.cs does not know. Say there what it may know."),
    };

    public bool Allows(string from, string to) => from == to || (to == Shared && from != Shared) || (to == Values && from != Shared) || _knows[from].Contains(to);

    private Plan Room(string room, params string[] knows)
    {
        _knows[room] = [.. knows];
        return this;
    }
}
