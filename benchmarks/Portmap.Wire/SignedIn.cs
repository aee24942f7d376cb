using System.Diagnostics;

namespace Portmap.Wire;

/// <summary>Bricks of one process that are signed in over one connection, for as long as this
/// lives.</summary>
internal sealed class SignedIn(Process load) : IDisposable
{
    /// <summary>The first sign-in of all of them.</summary>
    public Figure First { get; } = Figure.Read(load);

    /// <summary>Signs all of them out, and in again.</summary>
    /// <returns>The sign-in.</returns>
    public Figure Again()
    {
        load.StandardInput.WriteLine();
        load.StandardInput.Flush();
        Figure.Read(load);
        return Figure.Read(load);
    }

    public void Dispose()
    {
        load.StandardInput.Close();
        load.WaitForExit();
        load.Dispose();
    }
}
