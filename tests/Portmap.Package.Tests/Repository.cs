namespace Portmap.Package.Tests;

/// <summary>The sources this test run was built from.</summary>
internal static class Repository
{
    // What a build of the packages needs, and no more: a test must not find an obj folder of
    // another build.
    private static readonly string[] s_rootFiles =
    [
        "Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props", "global.json", "nuget.config", ".editorconfig", "README.md", "LICENSE", "Portmap.sln",
    ];

    public static string Root => TestKit.RepositoryFiles.Root;

    public static string ConsumerSources { get; } = Path.Combine(Root, "tests", "Portmap.Package.Tests", "Consumer");

    public static string HostConsumerSources { get; } = Path.Combine(Root, "tests", "Portmap.Package.Tests", "HostConsumer");

    public static string FleetConsumerSources { get; } = Path.Combine(Root, "tests", "Portmap.Package.Tests", "FleetConsumer");

    public static string TestConsumerSources { get; } = Path.Combine(Root, "tests", "Portmap.Package.Tests", "TestConsumer");

    /// <summary>Copies what the packages are made of, so that packing disturbs no other build of
    /// the same sources.</summary>
    public static void CopySources(string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in s_rootFiles.Where(file => File.Exists(Path.Combine(Root, file))))
        {
            File.Copy(Path.Combine(Root, file), Path.Combine(target, file));
        }

        CopyFolder(Path.Combine(Root, "src"), Path.Combine(target, "src"));
    }

    public static void CopyFolder(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in Directory.EnumerateFiles(source))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        }

        foreach (string folder in Directory.EnumerateDirectories(source).Where(folder => Path.GetFileName(folder) is not ("bin" or "obj")))
        {
            CopyFolder(folder, Path.Combine(target, Path.GetFileName(folder)));
        }
    }
}
