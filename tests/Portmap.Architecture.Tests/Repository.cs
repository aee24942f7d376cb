namespace Portmap.Architecture.Tests;

/// <summary>Where the sources are that the assemblies were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Portmap.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException($"No Portmap.sln above {AppContext.BaseDirectory}.");
        }

        return folder;
    }
}
