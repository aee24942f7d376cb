namespace Portmap.Architecture.Tests.Rules;

/// <summary>
/// The rooms of a package, and what each may know. A room is a folder. The root has several:
/// values, and above them what a user holds, up to the facade over all.
/// </summary>
internal sealed class Plan
{
    /// <summary>Sources that both packages link. They know nobody.</summary>
    public const string Shared = "Shared";

    public const string Values = "values";

    public const string Facade = "facade";

    private readonly Dictionary<string, HashSet<string>> _knows = [];
    private readonly Dictionary<string, string> _root = [];

    private Plan()
    {
        Room(Shared);
        Room(Values);
    }

    /// <summary>The registry. How it lies is drawn in src/Portmap/DESIGN.md.</summary>
    public static Plan Core { get; } = new Plan()
        .Room("Table").Room("Processes").Room("Strategies").Room("Diagnostics")
        .Room("Guarding", "Processes")
        .Room("Persistence", "Processes")
        .Room("Operations", "Table", "Processes", "Strategies", "Diagnostics", "Guarding", "Persistence")
        .Room("Upkeep", "Operations", "Table", "Processes", "Strategies", "Diagnostics", "Guarding", "Persistence")
        .Room(Facade, "Upkeep", "Operations", "Table", "Processes", "Strategies", "Diagnostics", "Guarding", "Persistence")
        .InRoot(Facade, "PortRegistry", "PortLease", "PortSession", "PortmapExtensions");

    /// <summary>The wire. How it lies is drawn in src/Portmap.Rpc/DESIGN.md.</summary>
    public static Plan Wire { get; } = new Plan()
        .Room("Diagnostics")
        .Room("Xdr")
        .Room("Protocol", "Xdr")
        .Room("Calling", "Protocol", "Xdr")
        .Room("client", "Calling", "Protocol", "Xdr")
        .Room("Working", "client", "Calling", "Protocol", "Diagnostics")
        .Room("contract", "Xdr", "Diagnostics")
        .Room("Peers", "contract")
        .Room("Serving", "Peers", "contract", "Protocol", "Xdr", "Diagnostics")
        .Room("Programs", "Serving", "Peers", "contract", "Protocol", "Xdr", "Diagnostics")
        .Room(Facade, "Programs", "Serving", "contract", "Working", "client", "Diagnostics")
        .InRoot("client", "PortmapClient")
        .InRoot("contract", "PortmapServerOptions", "IRpcProgram", "RpcCall")
        .InRoot(Facade, "PortmapServer", "WorkerPort");

    public IEnumerable<string> Rooms => _knows.Keys;

    /// <summary>
    /// A room that is not drawn here is an error: somebody made a folder without saying what it may
    /// know.
    /// </summary>
    public string RoomOf(string type, string? folder) => folder switch
    {
        null => Shared,
        "" => _root.GetValueOrDefault(type, Values),
        _ when _knows.ContainsKey(folder) => folder,
        _ => throw new InvalidDataException($"{type} stands in the folder '{folder}', which {nameof(Plan)}.cs does not know. Say there what it may know."),
    };

    public bool Allows(string from, string to) => from == to || (to == Shared && from != Shared) || (to == Values && from != Shared) || _knows[from].Contains(to);

    private Plan InRoot(string room, params string[] types)
    {
        Array.ForEach(types, type => _root.Add(type, room));
        return this;
    }

    private Plan Room(string room, params string[] knows)
    {
        _knows[room] = [.. knows];
        return this;
    }
}
