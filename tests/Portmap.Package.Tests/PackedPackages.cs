using System.Globalization;
using System.IO.Compression;
using System.Xml.Linq;
using Xunit;

namespace Portmap.Package.Tests;

/// <summary>Packs both packages once for all tests of this project, under a version that no other run ever had.</summary>
public sealed class PackedPackages : IAsyncLifetime
{
    private readonly string _suffix = string.Create(CultureInfo.InvariantCulture, $"test.{DateTime.UtcNow:yyyyMMddHHmmss}.{Environment.ProcessId}");

    /// <summary>A folder of this run alone, deleted at its end.</summary>
    internal string Folder { get; } = Directory.CreateTempSubdirectory("portmap-package-").FullName;

    internal string Feed => Path.Combine(Folder, "feed");

    internal string Version { get; private set; } = string.Empty;

    public async Task InitializeAsync()
    {
        await PackAsync(Feed);
        string first = Directory.GetFiles(Feed, "Portmap.Rpc.*.nupkg").Single();
        Version = Path.GetFileNameWithoutExtension(first)["Portmap.Rpc.".Length..];
    }

    public Task DisposeAsync()
    {
        Directory.Delete(Folder, recursive: true);
        return Task.CompletedTask;
    }

    /// <summary>Packs a fresh copy of the sources, in a folder of its own, the way a release is packed.</summary>
    internal async Task PackAsync(string feed)
    {
        string sources = feed + "-sources";
        Repository.CopySources(sources);
        foreach (string project in (string[])["Portmap", "Portmap.Rpc"])
        {
            await Tool.DotnetAsync(sources, "pack", Path.Combine("src", project), "-c", "Release", "-o", feed,
                "-p:VersionSuffix=" + _suffix, "-p:ContinuousIntegrationBuild=true", "-warnaserror");
        }
    }

    internal ZipArchive Open(string package) => ZipFile.OpenRead(Path.Combine(Feed, $"{package}.{Version}.nupkg"));

    internal XElement Metadata(string package)
    {
        using ZipArchive archive = Open(package);
        using Stream nuspec = archive.GetEntry(package + ".nuspec")!.Open();
        return XDocument.Load(nuspec).Root!.Elements().Single(element => element.Name.LocalName == "metadata");
    }
}
