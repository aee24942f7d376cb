namespace Portmap.Etcd.Tests;

public class SampleTests
{
    [NeedsNetworkFact]
    public async Task Demo_ThreeDaemonsInThreeNetworks_Passes()
    {
        await using ChildProcess demo = ChildProcess.Start(TestPrograms.Start(["Fleet", "Fleet"]));

        IReadOnlyList<string> lines = await demo.ReadToEndAsync(TimeSpan.FromSeconds(60));

        (await demo.ExitAsync()).Should().Be(0, "{0} {1}", string.Join('\n', lines), demo.Errors);
        lines[^1].Should().Be("PASSED");
    }
}
