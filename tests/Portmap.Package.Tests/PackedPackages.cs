using System.Globalization;
using System.IO.Compression;
using System.Xml.Linq;
using Xunit;

namespace Portmap.Package.Tests;

/// <summary>Packs the packages once for all tests of this project, under a version that no other
/// run ever had.</summary>
public sealed class PackedPackages : IAsyncLifetime
{
    private readonly string _suffix = string.Create(CultureInfo.InvariantCulture, $"test.{DateTime.UtcNow:yyyyMMddHHmmss}.{Environment.ProcessId}");

    /// <summary>The packages there are.</summary>
    internal static string[] Names { get; } = ["Portmap", "Portmap.Rpc", "Portmap.Hosting", "Portmap.AspNetCore", "Portmap.Etcd", "Portmap.Testing"];

    /// <summary>The tests of a collection run one after the other, so nobody else reads or writes
    /// it meanwhile.</summary>
    private readonly Dictionary<string, Task<string>> _consumers = [];

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

    /// <summary>Packs a fresh copy of the sources, in a folder of its own, the way a release is
    /// packed.</summary>
    internal async Task PackAsync(string feed)
    {
        string sources = feed + "-sources";
        Repository.CopySources(sources);
        string projects = string.Join(',', Names.Select(name => $"\"src/{name}/{name}.csproj\""));
        await File.WriteAllTextAsync(Path.Combine(sources, "packages.slnf"), $$"""{ "solution": { "path": "Portmap.sln", "projects": [{{projects}}] } }""");
        await PackAsync(sources, "packages.slnf", feed);
    }

    /// <summary>Packs the command, of the sources that the packages were packed of.</summary>
    internal Task PackToolAsync(string feed) => PackAsync(Feed + "-sources", "src/Portmap.Tool", feed);

    /// <summary>Packs one package once more, in another way.</summary>
    internal Task PackOneAsync(string project, string feed, string property) => PackAsync(Feed + "-sources", "src/" + project, feed, property);

    // Analyzers read the same sources in the build of all.
    private Task<string> PackAsync(string sources, string what, string feed, params string[] properties) =>
        Tool.DotnetAsync(sources, ["pack", what, "-c", "Release", "-o", feed,
            "-p:VersionSuffix=" + _suffix, "-p:ContinuousIntegrationBuild=true", "-p:RunAnalyzers=false", "-warnaserror", .. properties]);

    /// <summary>The consumer, built once from the packages, as a program to be started.</summary>
    internal Task<string> BuiltConsumerAsync() => BuiltAsync("jit", Repository.ConsumerSources);

    /// <summary>The daemon in a .NET host and its web server, built once from the
    /// packages.</summary>
    internal Task<string> BuiltHostConsumerAsync() => BuiltAsync("host", Repository.HostConsumerSources);

    /// <summary>The tests of a supervisor, run once from the packages.</summary>
    /// <returns>What the run says.</returns>
    internal Task<string> TestedConsumerAsync() => ConsumerAsync("test", Repository.TestConsumerSources, consumer =>
        Tool.DotnetAsync(consumer.Folder, ["test", "-c", "Release", .. consumer.Properties]));

    /// <summary>The consumer, published once under this name, with warnings as errors: a consumer
    /// must not get one because of us.</summary>
    internal Task<string> PublishedConsumerAsync(string name, params string[] how) => PublishedAsync(name, Repository.ConsumerSources, how);

    /// <summary>The daemon that is part of a fleet, published once as Native AOT.</summary>
    internal Task<string> PublishedFleetConsumerAsync() => PublishedAsync("fleet", Repository.FleetConsumerSources, "-p:PublishAot=true");

    private Task<string> PublishedAsync(string name, string sources, params string[] how) => ConsumerAsync(name, sources, async consumer =>
    {
        string target = Path.Combine(consumer.Folder, "published");
        await Tool.DotnetAsync(consumer.Folder, ["publish", "-c", "Release", .. how, "-warnaserror", "-o", target, .. consumer.Properties]);
        return Path.Combine(target, Path.GetFileName(sources));
    });

    private Task<string> BuiltAsync(string name, string sources) => ConsumerAsync(name, sources, async consumer =>
    {
        await Tool.DotnetAsync(consumer.Folder, ["build", "-c", "Release", .. consumer.Properties]);
        return Path.Combine(consumer.Folder, "bin", "Release", "net10.0", Path.GetFileName(sources));
    });

    private Task<string> ConsumerAsync(string name, string sources, Func<ConsumerProject, Task<string>> build)
    {
        if (!_consumers.TryGetValue(name, out Task<string>? consumer))
        {
            consumer = _consumers[name] = BuildAsync();
        }

        return consumer;

        async Task<string> BuildAsync() => await build(await ConsumerProject.CreateAsync(this, name, sources));
    }

    internal ZipArchive Open(string package) => ZipFile.OpenRead(Path.Combine(Feed, $"{package}.{Version}.nupkg"));

    internal XElement Metadata(string package)
    {
        using ZipArchive archive = Open(package);
        using Stream nuspec = archive.GetEntry(package + ".nuspec")!.Open();
        return XDocument.Load(nuspec).Root!.Elements().Single(element => element.Name.LocalName == "metadata");
    }
}
