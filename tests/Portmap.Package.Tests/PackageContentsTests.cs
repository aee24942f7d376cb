using System.IO.Compression;
using System.Security.Cryptography;
using System.Xml.Linq;
using FluentAssertions;
using Xunit;

namespace Portmap.Package.Tests;

[Collection(nameof(PackedPackages))]
public sealed class PackageContentsTests(PackedPackages packages)
{
    [Theory]
    [InlineData("Portmap", "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.Options")]
    [InlineData("Portmap.Rpc", "Portmap")]
    [InlineData("Portmap.Hosting", "Portmap.Rpc", "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Hosting.Abstractions")]
    [InlineData("Portmap.AspNetCore", "Portmap.Rpc")]
    [InlineData("Portmap.Etcd", "Portmap", "Google.Protobuf", "Grpc.Net.Client", "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Hosting.Abstractions")]
    [InlineData("Portmap.Testing", "Portmap", "Microsoft.Extensions.TimeProvider.Testing", "xunit.assert", "xunit.extensibility.core")]
    public void Package_DependsOnWhatItMayAndNothingElse(string package, params string[] dependencies)
    {
        packages.Metadata(package).Descendants()
            .Where(element => element.Name.LocalName == "dependency")
            .Select(element => element.Attribute("id")!.Value)
            .Should().BeEquivalentTo(dependencies);
    }

    [Theory]
    [InlineData("Portmap")]
    [InlineData("Portmap.Rpc", "portmap.x")]   // for those who generate a client in another language
    [InlineData("Portmap.Hosting")]
    [InlineData("Portmap.AspNetCore")]
    [InlineData("Portmap.Etcd")]
    [InlineData("Portmap.Testing")]
    public void Package_CarriesAssemblyDocumentationAndReadme(string package, params string[] more)
    {
        using ZipArchive archive = packages.Open(package);

        archive.Entries.Where(IsOurs).Select(entry => entry.FullName)
            .Should().BeEquivalentTo([$"{package}.nuspec", "README.md", "icon.png", $"lib/net10.0/{package}.dll", $"lib/net10.0/{package}.xml", .. more]);
        File.Exists(Path.Combine(packages.Feed, $"{package}.{packages.Version}.snupkg")).Should().BeTrue("debuggers look for the symbols in a package of their own");
    }

    [Theory]
    [InlineData("Portmap")]
    [InlineData("Portmap.Rpc")]
    [InlineData("Portmap.Hosting")]
    [InlineData("Portmap.AspNetCore")]
    [InlineData("Portmap.Etcd")]
    [InlineData("Portmap.Testing")]
    public void Package_SaysWhatItIs(string package)
    {
        XElement metadata = packages.Metadata(package);
        string? Value(string name) => metadata.Elements().SingleOrDefault(element => element.Name.LocalName == name)?.Value;

        Value("license").Should().Be("MIT");
        Value("readme").Should().Be("README.md");
        Value("icon").Should().Be("icon.png");
        Value("description").Should().NotBeNullOrWhiteSpace();
        Value("authors").Should().NotBeNullOrWhiteSpace().And.NotBe(package, "that is what the SDK writes when nobody does");
        Value("tags").Should().Contain("port");
        Value("copyright").Should().NotBeNullOrWhiteSpace();
    }

    [Theory]
    [InlineData("Portmap", "# Portmap\n")]
    [InlineData("Portmap.Rpc", "# Portmap.Rpc\n")]
    [InlineData("Portmap.Hosting", "# Portmap.Hosting\n")]
    [InlineData("Portmap.AspNetCore", "# Portmap.AspNetCore\n")]
    [InlineData("Portmap.Etcd", "# Portmap.Etcd\n")]
    [InlineData("Portmap.Testing", "# Portmap.Testing\n")]
    public void Package_HasAPageOfItsOwn(string package, string title)
    {
        using ZipArchive archive = packages.Open(package);
        using StreamReader page = new(archive.GetEntry("README.md")!.Open());

        page.ReadToEnd().ReplaceLineEndings("\n").Should().StartWith(title);
    }

    [Fact]
    public void Icon_IsAPictureOf128By128()
    {
        using ZipArchive archive = packages.Open("Portmap");
        using BinaryReader icon = new(archive.GetEntry("icon.png")!.Open());

        byte[] header = icon.ReadBytes(24);

        header[1..4].Should().Equal("PNG"u8.ToArray());
        header[16..24].Should().Equal(0, 0, 0, 128, 0, 0, 0, 128);
    }

    [Fact]
    public async Task Pack_WithTheUrlOfTheSources_NamesItAndItsPageHasNoRelativeLink()
    {
        const string Url = "https://forge.example/somebody/portmap";
        string feed = Path.Combine(packages.Folder, "published");

        await packages.PackOneAsync("Portmap.Etcd", feed, "-p:PortmapUrl=" + Url);

        using ZipArchive archive = ZipFile.OpenRead(Directory.GetFiles(feed, "Portmap.Etcd.*.nupkg").Single());
        using StreamReader nuspec = new(archive.GetEntry("Portmap.Etcd.nuspec")!.Open()), page = new(archive.Entries.Single(entry => entry.FullName == "README.md").Open());
        (await nuspec.ReadToEndAsync()).Should().Contain($"<projectUrl>{Url}</projectUrl>").And.Contain($"<repository type=\"git\" url=\"{Url}\"");
        string text = await page.ReadToEndAsync();
        text.Should().Contain($"({Url}/blob/HEAD/tests/Portmap.Etcd.Tests/Mirroring/FleetMapTests.cs)").And.Contain($"({Url}/blob/HEAD/src/Portmap.Etcd/DESIGN.md)");
        text.Should().NotMatchRegex(@"\]\((?!https:|#)");
    }

    // Files, not the packages that hold them: only the newer of the SDKs that global.json allows
    // write the same times into both archives.
    [Fact]
    public async Task Pack_OfTheSameSourcesInAnotherFolder_GivesTheSameFiles()
    {
        string again = Path.Combine(packages.Folder, "elsewhere", "again");

        await packages.PackAsync(again);

        Dictionary<string, string> first = Hashes(packages.Feed);
        first.Keys.Should().Contain(name => name.EndsWith("Portmap.dll")).And.Contain(name => name.EndsWith("Portmap.Rpc.pdb"));
        Hashes(again).Should().BeEquivalentTo(first);
    }

    private static Dictionary<string, string> Hashes(string feed)
    {
        Dictionary<string, string> hashes = [];
        foreach (string package in Directory.GetFiles(feed, "*.*nupkg"))
        {
            using ZipArchive archive = ZipFile.OpenRead(package);
            foreach (ZipArchiveEntry entry in archive.Entries.Where(IsOurs))
            {
                using Stream content = entry.Open();
                hashes.Add($"{Path.GetFileName(package)}: {entry.FullName}", Convert.ToHexString(SHA256.HashData(content)));
            }
        }

        return hashes;
    }

    // The rest is the archive's own housekeeping.
    private static bool IsOurs(ZipArchiveEntry entry) =>
        !entry.FullName.StartsWith("_rels/", StringComparison.Ordinal)
        && !entry.FullName.StartsWith("package/", StringComparison.Ordinal)
        && entry.FullName != "[Content_Types].xml";
}
