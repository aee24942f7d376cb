namespace Portmap.TestKit;

/// <summary>The files of the repository that tests hold against the code.</summary>
public static class RepositoryFiles
{
    /// <summary>The folder of Portmap.sln.</summary>
    public static string Root { get; } = Find();

    /// <summary>The text of a file, named from the root on.</summary>
    public static string Read(params string[] path) => File.ReadAllText(PathOf(path));

    /// <summary>The path of a file, named from the root on.</summary>
    public static string PathOf(params string[] path) => Path.Combine([Root, .. path]);

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
