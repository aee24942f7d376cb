using System.Diagnostics;
using System.Globalization;

namespace Portmap.Wire;

/// <summary>The client of load.c, compiled once for a run of the program: the same for every
/// server.</summary>
internal sealed class LoadClient : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portmap-wire-");

    public LoadClient() => Command.Run("gcc", "-O2", "-o", Program, Path.Combine(AppContext.BaseDirectory, "load.c"));

    private string Program => Path.Combine(_folder.FullName, "load");

    /// <summary>Lookups of random ones of the bricks that are signed in.</summary>
    public Figure LookUp(Server server, int bricks, int calls, int outstanding) => LookUp(server.Address, server.IsPinned, bricks, calls, outstanding);

    /// <inheritdoc cref="LookUp(Server, int, int, int)"/>
    public Figure LookUp(string address, bool isPinned, int bricks, int calls, int outstanding)
    {
        using Process load = Start(address, isPinned, "lookup", bricks, calls, outstanding);
        Figure figure = Figure.Read(load);
        load.WaitForExit();
        return figure;
    }

    /// <summary>Signs bricks in.</summary>
    public SignedIn SignIn(Server server, int bricks, int outstanding) =>
        new(Start(server.Address, server.IsPinned, "signin", bricks, Environment.ProcessId, outstanding));

    public void Dispose() => _folder.Delete(recursive: true);

    private Process Start(string address, bool isPinned, string what, int first, int second, int outstanding) =>
        Command.Start(isPinned, Program, address, what, Text(first), Text(second), Text(outstanding));

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
