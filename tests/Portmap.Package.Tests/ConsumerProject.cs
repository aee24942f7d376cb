using System.Xml.Linq;

namespace Portmap.Package.Tests;

/// <summary>A copy of a consumer's sources outside the repository, with a nuget.config by which our
/// packages come from the packed folder and from nowhere else.</summary>
internal sealed class ConsumerProject
{
    private ConsumerProject(string folder, string version)
    {
        Folder = folder;
        Properties = ["-p:PortmapVersion=" + version];
    }

    public string Folder { get; }

    /// <summary>What every build of it is given.</summary>
    public string[] Properties { get; }

    public static async Task<ConsumerProject> CreateAsync(PackedPackages packages, string name, string sources)
    {
        string folder = Path.Combine(packages.Folder, "consumer-" + name);
        Repository.CopyFolder(sources, folder);
        File.Copy(Path.Combine(Repository.Root, "global.json"), Path.Combine(folder, "global.json"));
        XElement config = new("configuration",

            // A folder of packages for this run alone: nothing that an earlier one unpacked can be
            // taken for ours.
            new XElement("config", Add("globalPackagesFolder", Path.Combine(packages.Folder, "unpacked"))),
            new XElement("packageSources", Add("packed", packages.Feed)),
            new XElement("packageSourceMapping",
                Mapping("packed", PackedPackages.Names),
                (await OtherSourcesAsync(folder)).Select(source => Mapping(source, "*"))));
        await File.WriteAllTextAsync(Path.Combine(folder, "nuget.config"), config.ToString());
        return new ConsumerProject(folder, packages.Version);
    }

    // The machine's own sources by name, since mapping one source means mapping all. Lines read "
    // 1. name [Enabled]".
    private static async Task<IEnumerable<string>> OtherSourcesAsync(string folder)
    {
        string listed = await Tool.DotnetAsync(folder, "nuget", "list", "source");
        return listed.Split('\n')
            .Select(line => line.Trim())
            .Where(line => line.Length > 0 && char.IsAsciiDigit(line[0]) && line.EndsWith("[Enabled]", StringComparison.Ordinal))
            .Select(line => line[(line.IndexOf('.', StringComparison.Ordinal) + 1)..^"[Enabled]".Length].Trim());
    }

    private static XElement Add(string key, string value) => new("add", new XAttribute("key", key), new XAttribute("value", value));

    private static XElement Mapping(string source, params string[] patterns) =>
        new("packageSource", new XAttribute("key", source), patterns.Select(pattern => new XElement("package", new XAttribute("pattern", pattern))));
}
