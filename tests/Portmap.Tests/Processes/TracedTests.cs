using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary>What is asked of the kernel, and what is not, as strace writes it down.</summary>
public sealed class TracedTests
{
    [NeedsFact("python3", Also = ["strace"])]
    public async Task Holders_OfAPort_AreFoundWithoutFollowingALinkOfADescriptor()
    {
        // A process may have a file of a mount that is dead open; who follows its link waits for
        // ever.
        int port = PortBlock.TakeOne();
        using Child server = await ListeningChild.StartAsync(port);

        (string said, string[] calls) = await TracedProgram.LookForHoldersAsync(server.Id, port);

        said.Should().Be($"True {server.Id}");
        calls.Should().Contain(call => call.Contains($"\"/proc/{server.Id}/fd", StringComparison.Ordinal), "the calls are seen");
        calls.Should().NotContain(call => call.Contains("/fd/", StringComparison.Ordinal));
    }

    [NeedsFact("strace")]
    public async Task ReadBook_SomeHaveDied_AsksOnce()
    {
        (string said, string[] calls) = await TracedProgram.ReadBookAsync(deaths: 3);

        said.Should().Be("3");
        calls.Where(call => call.Contains(", 64, 0", StringComparison.Ordinal)).Should().ContainSingle("{0}", string.Join('\n', calls.Take(20)));
    }
}
