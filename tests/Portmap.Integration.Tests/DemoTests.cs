using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests;

/// <summary>The main job of the README, as a newcomer sees it, and twice at once on one
/// machine.</summary>
public sealed class DemoTests
{
    [Fact]
    public async Task Demo_TwoAtTheSameTime_BothEndWithExitCode0AndAVerdict()
    {
        TimeSpan silence = TimeSpan.FromSeconds(60); // the demo's own limit is 30 s without a word; it must be the one to say so
        await using ChildProcess one = ChildProcess.Start(Samples.ManagementDaemon), two = ChildProcess.Start(Samples.ManagementDaemon);
        foreach (ChildProcess demo in new[] { one, two })
        {
            IReadOnlyList<string> lines = await demo.ReadToEndAsync(silence);
            string all = string.Join('\n', lines) + demo.Errors;
            (await demo.ExitAsync()).Should().Be(0, all);
            lines[^1].Should().StartWith("PASSED ");
            all.Should().NotContain("\u001b", "the output is plain when it is redirected");
        }
    }

    [Fact]
    public async Task Demo_SigTerm_StopsItsWorkersAndSaysWhy()
    {
        await using ChildProcess demo = ChildProcess.Start(Samples.ManagementDaemon);
        (await demo.ReadLineAsync()).Should().BeEmpty();
        (await demo.ReadLineAsync()).Should().StartWith("1. ");

        demo.Send(Signal.Terminate);

        (await demo.ExitAsync()).Should().Be(1);
        (await demo.ReadToEndAsync())[^1].Should().StartWith("FAILED ").And.Contain("signal");
    }
}
