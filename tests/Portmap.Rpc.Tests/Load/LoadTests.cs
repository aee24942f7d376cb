using Portmap.TestKit.Processes;
using Xunit.Abstractions;

namespace Portmap.Rpc.Tests.Load;

/// <summary>Crowds at a server in a process of its own, in a network of its own. They run last:
/// each takes both processors for seconds.</summary>
[Collection(AloneCollection.Name)]
public sealed class LoadTests(ITestOutputHelper output) : IDisposable
{
    private const int Crowd = 5_000;
    private const int Times = 100_000;
    private const int TimesLeaked = 500;
    private const long MaxGrowth = 2 * 1_048_576;

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [OwnNetworkFact]
    public async Task Connections_FiveThousandAtOnce_AreAllServedAndLeaveNothing()
    {
        LoadReport report = await RunAsync(LoadProgram.Crowd, _folder.FullName, $"{Crowd}");
        report.Served.Should().Be(Crowd);
        report.Most.Descriptors.Should().BeGreaterThanOrEqualTo(Crowd, "they were open at once");
        ShouldHaveLeftNothing(report);
    }

    [OwnNetworkFact]
    public async Task Connections_ThatVanishAHundredThousandTimes_LeaveNoDescriptorNoMemoryAndNoEntry()
    {
        LoadReport report = await RunAsync(LoadProgram.Vanish, _folder.FullName, $"{Times}", $"{VanishKind.Honest}");
        ShouldHaveLeftNothing(report);
    }

    [OwnNetworkFact]
    public async Task Detector_CallsThatLeak_AreSeen()
    {
        LoadReport report = await RunAsync(LoadProgram.Vanish, _folder.FullName, $"{TimesLeaked}", $"{VanishKind.Leaking}");
        (report.After.Descriptors - report.Before.Descriptors).Should().BeGreaterThanOrEqualTo(TimesLeaked);
        (report.After.HeapBytes - report.Before.HeapBytes).Should().BeGreaterThan(MaxGrowth);
    }

    private static void ShouldHaveLeftNothing(LoadReport report)
    {
        report.After.Descriptors.Should().BeLessThanOrEqualTo(report.Before.Descriptors);
        report.After.Entries.Should().Be(0);
        (report.After.HeapBytes - report.Before.HeapBytes).Should().BeLessThan(MaxGrowth);
    }

    private async Task<LoadReport> RunAsync(params string[] arguments)
    {
        await using ChildProcess crowd = OwnNetwork.Start(arguments);
        IReadOnlyList<string> lines = await crowd.ReadToEndAsync(s_limit);
        (await crowd.ExitAsync()).Should().Be(0, "{0}", crowd.Errors);
        output.WriteLine(lines[^1]);
        return LoadReport.Parse(lines[^1]);
    }
}
