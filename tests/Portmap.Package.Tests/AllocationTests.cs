using System.Globalization;
using FluentAssertions;
using Portmap.TestKit;
using Xunit;

namespace Portmap.Package.Tests;

/// <summary> A lookup allocates nothing, whatever the runtime makes of the code: each of its tiers,
/// no tiers, ReadyToRun and Native AOT. A program of its own measures it from the packages, so that
/// nothing else in the process allocates (Consumer/Allocations.cs).
/// </summary>
[Collection(nameof(PackedPackages))]
public sealed class AllocationTests(PackedPackages packages)
{
    private const int SmallestObjectBytes = 24;
    private const int Outstanding = 256;

    /// <summary>What is measured in the process as a whole: passes of the registry and the server's
    /// timer run beside it.</summary>
    private static readonly string[] s_overTheWire = ["PORTBYBRICK", "PORTBYBRICK-nobody", "LOOKUP", "LOOKUP-nobody"];

    private static readonly string[] s_inProcess =
    [
        "TryGetPort", "TryGetPort-span", "TryGetPort-nobody", "TryGetEntry-owner", "TryGetEntry-owner-nobody", "TryGetEntry-port",
        "TryGetEntry-port-nobody",
    ];

    public static TheoryData<string, string> Runtimes { get; } = new()
    {
        { "as it comes", "" },
        { "the first tier for ever", "TC_CallCounting=0 TC_OnStackReplacement=0" },
        { "the first tier for ever, the framework too", "TC_CallCounting=0 TC_OnStackReplacement=0 ReadyToRun=0" },
        { "without profiles", "TieredPGO=0" },
        { "without tiers", "TieredCompilation=0" },
    };

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task Lookups_JustInTime_AllocateNothing(string runtime, string settings)
    {
        string program = await packages.BuiltConsumerAsync();

        Dictionary<string, double> bytes = await MeasureAsync(program, settings);

        AllocateNothing(bytes, runtime);
    }

    [Fact]
    public async Task Lookups_ReadyToRun_AllocateNothing()
    {
        string program = await packages.PublishedConsumerAsync("r2r", "-p:PublishReadyToRun=true", "--self-contained", "false", "--use-current-runtime");

        Dictionary<string, double> bytes = await MeasureAsync(program, string.Empty);

        AllocateNothing(bytes, "ReadyToRun");
    }

    [NeedsFact("clang", "gcc")]
    public async Task Lookups_NativeAot_AllocateNothing()
    {
        string program = await packages.PublishedConsumerAsync("aot", "-p:PublishAot=true");

        Dictionary<string, double> bytes = await MeasureAsync(program, string.Empty);

        AllocateNothing(bytes, "Native AOT");
    }

    private static void AllocateNothing(Dictionary<string, double> bytes, string runtime)
    {
        foreach (string name in s_inProcess)
        {
            bytes[name].Should().Be(0, "{0}, {1}", name, runtime);
        }

        foreach (string name in s_overTheWire)
        {
            // One object for each exchange of 256 calls would already be more.
            bytes[name].Should().BeLessThan((double)SmallestObjectBytes / Outstanding, "{0}, {1}", name, runtime);
        }

        bytes["control-lookup"].Should().BeGreaterThanOrEqualTo(SmallestObjectBytes, "one object for each lookup must be seen, {0}", runtime);
        bytes["control-exchange"].Should().BeGreaterThanOrEqualTo((double)SmallestObjectBytes / Outstanding, "one object for each exchange must be seen, {0}", runtime);
    }

    /// <returns>The bytes by lookup, under the name of each kind.</returns>
    private async Task<Dictionary<string, double>> MeasureAsync(string program, string settings)
    {
        string socket = Path.Combine(packages.Folder, Path.GetRandomFileName());
        IEnumerable<string> assignments = settings.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(setting => "DOTNET_" + setting);
        string output = await Tool.RunAsync("/usr/bin/env", packages.Folder, [.. assignments, program, "allocations", socket]);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' '))
            .ToDictionary(words => words[0], words => Number(words[1]) / Number(words[2]));
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
