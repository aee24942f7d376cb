using System.Buffers.Binary;
using System.Net.Sockets;

namespace Portmap.Tool.Tests;

/// <summary>The daemon is absent, frozen, or another one.</summary>
public sealed class UnreachableTests : ToolTest
{
    private const uint Null = 0;   // the procedure that only answers

    public static TheoryData<string> Asking => ["list", "lookup b1", "watch", "release b1", "ping"];

    [Theory]
    [MemberData(nameof(Asking))]
    public async Task Verb_WithoutADaemon_IsThreeAndOneLine(string verb)
    {
        Outcome outcome = await RunAsync(verb.Split(' '));

        outcome.ExitCode.Should().Be(3);
        outcome.Lines.Should().BeEmpty();
        outcome.Errors.TrimEnd().Should().StartWith("portmap: ").And.Contain("there is no socket").And.NotContain("\n");
    }

    [Theory]
    [MemberData(nameof(Asking))]
    public async Task Verb_WhileTheDaemonStandsStill_IsThreeAfterTheTimeout(string verb)
    {
        await ServeAsync();
        Daemon.Send(Signal.Stop);

        Outcome outcome = await RunAsync([.. verb.Split(' '), "--timeout", "0.3"]);

        outcome.ExitCode.Should().Be(3);
        outcome.Errors.Should().Contain("stopped or hangs").And.Contain("0.3 s");
    }

    [Fact]
    public async Task Ping_OfADaemonOfAnotherVersion_IsThreeAndSaysWhichItServes()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        listener.Listen();
        Task answering = AnswerMismatchAsync(listener);

        Outcome outcome = await RunAsync("ping");

        outcome.ExitCode.Should().Be(3);
        outcome.Errors.Should().Contain("not a daemon of this version").And.Contain("versions 7 to 9");
        await answering.Within();
    }

    [Theory]
    [InlineData("list", 3)]
    [InlineData("lookup b1", 3)]
    [InlineData("watch", 3)]
    [InlineData("release b1", 3)]
    [InlineData("who 1", 1)]   // the kernel answers
    [InlineData("doctor", 5)]
    [InlineData("complete", 0)]
    public async Task Verb_OfAnAnswerThatCannotBeRead_EndsAsReadmeSays(string line, int exitCode)
    {
        await using Between daemon = new(SocketPath, procedure => Task.FromResult<byte[]?>(procedure == Null ? [] : [0, 0, 0, 7]));   // neither a result nor a refusal, neither true nor false

        Outcome outcome = await RunAsync(line == "complete" ? [line, "15", "portmap lookup "] : line.Split(' '));

        outcome.ExitCode.Should().Be(exitCode, outcome.Errors);
        outcome.Errors.Should().NotContain("mistake of this program").And.NotContain("   at ");
        if (exitCode == 3)
        {
            outcome.Errors.TrimEnd().Should().StartWith("portmap: ").And.Contain("another version").And.NotContain("\n");
        }
    }

    [Theory]
    [InlineData(false, 130)]
    [InlineData(true, 143)]
    public async Task Verb_WithCtrlCOrSigterm_IsAsAShellSaysIt(bool isTerm, int exitCode)
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using Between daemon = new(SocketPath, _ =>
        {
            asked.TrySetResult();
            return new TaskCompletionSource<byte[]?>().Task;
        });
        await using ChildProcess tool = Start("ping", "--timeout", "60");
        await asked.Task.Within();

        tool.Send(isTerm ? Signal.Terminate : Signal.Interrupt);

        (await tool.ExitAsync()).Should().Be(exitCode, tool.Errors);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("list --endpoint nowhere")]
    [InlineData("list --timeout 0")]
    [InlineData("who 70000")]
    [InlineData("lookup b1 -p sctp")]
    [InlineData("lookup")]
    [InlineData("top")]
    public async Task CommandLine_ThatCannotBeMeant_IsTwo(string line)
    {
        Outcome outcome = await RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        outcome.ExitCode.Should().Be(2);
        outcome.Lines.Should().BeEmpty();
        outcome.Errors.TrimEnd().Should().StartWith("portmap: ").And.NotContain("\n");
    }

    // RFC 5531: reply, accepted, no verifier, PROG_MISMATCH, low, high.
    private static async Task AnswerMismatchAsync(Socket listener)
    {
        using Socket caller = await listener.AcceptAsync();
        byte[] call = new byte[4096];
        int read = await caller.ReceiveAsync(call);
        read.Should().BeGreaterThan(8);
        uint[] reply = [0x8000_0000 | 32, BinaryPrimitives.ReadUInt32BigEndian(call.AsSpan(4)), 1, 0, 0, 0, 2, 7, 9];
        byte[] answer = new byte[reply.Length * 4];
        for (int i = 0; i < reply.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(i * 4), reply[i]);
        }

        await caller.SendAsync(answer);
        while (await caller.ReceiveAsync(call) > 0)
        {
        }
    }
}
