using FluentAssertions;
using Xunit;

namespace Portmap.Package.Tests;

/// <summary>What the compiler says to a consumer who forgets an await or a dispose: the table in
/// src/Portmap/DESIGN.md.</summary>
[Collection(nameof(PackedPackages))]
public sealed class MisuseTests(PackedPackages packages)
{
    [Fact]
    public async Task Build_UsingWithoutAwait_IsAnErrorOfTheCompiler()
    {
        string complaints = await BuildAsync("using",
            "using PortSession session = registry.OpenSession(1);",
            "using WorkerPort port = await WorkerPort.ListenAsync();",
            "using PortmapClient client = await PortmapClient.ConnectAsync();",
            "using PortmapServer server = new(registry);",
            "using PortLease lease = await registry.AcquireAsync(\"b1\");");

        Lines(complaints, "CS8418").Should().Equal(1, 2, 3, 4);
        Lines(complaints, "CS1674").Should().Equal([5], "a lease is nothing to dispose: letting go of it frees nothing");
    }

    [Fact]
    public async Task Build_CallThatIsNotAwaited_IsAWarning()
    {
        string complaints = await BuildAsync("await",
            "registry.AcquireAsync(\"b1\");",
            "session.RegisterAsync(new PortClaimRequest(\"b1\", 49200));",
            "session.DisposeAsync();",
            "WorkerPort.ListenAsync();",
            "await Task.Yield();");

        Lines(complaints, "CS4014").Should().Equal(1, 2, 3, 4);
        Lines(complaints, "CA2012").Should().Equal([1, 2, 3], "in a method that is not async only the analyzer tells it");
    }

    private async Task<string> BuildAsync(string name, params string[] statements)
    {
        ConsumerProject consumer = await ConsumerProject.CreateAsync(packages, "misuse-" + name, Repository.ConsumerSources);
        string[] lines = [.. statements.Select((statement, i) => $"#line {i + 1} \"misuse\"\n{statement}")];
        await File.WriteAllTextAsync(Path.Combine(consumer.Folder, "Misuse.cs"), $$"""
            using Portmap;
            using Portmap.Rpc;
            namespace Consumer;
            internal static class Misuse
            {
                public static async Task RunAsync(PortRegistry registry, PortSession session)
                {
            {{string.Join('\n', lines)}}
                }
            }
            """);
        Func<Task> build = () => Tool.DotnetAsync(consumer.Folder, ["build", "-c", "Release", "-p:AnalysisLevel=latest-recommended", .. consumer.Properties]);
        return (await build.Should().ThrowAsync<InvalidOperationException>("warnings are errors there")).Which.Message;
    }

    private static IEnumerable<int> Lines(string complaints, string code) =>
        Enumerable.Range(1, 9).Where(line => complaints.Split('\n').Any(one =>
            one.Contains($"misuse({line},", StringComparison.Ordinal) && one.Contains($"error {code}:", StringComparison.Ordinal)));
}
