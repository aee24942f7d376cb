using System.Buffers.Binary;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Serving;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>The corpus holds every kind of message, and each file is what its name says.</summary>
public class CorpusTests
{
    private const uint ProcedureUnavailable = 3;

    public static TheoryData<string> Calls { get; } = [.. CorpusFile.All.Where(file => file.IsCall && file.Program is not null).Select(file => file.Name)];

    public static TheoryData<string> Replies { get; } = [.. CorpusFile.All.Where(file => !file.IsCall).Select(file => file.Name)];

    public static TheoryData<string, string?> Frames { get; } = new()
    {
        { "call-rpc-program-unavailable", "reply-rpc-program-unavailable" },
        { "call-rpc-program-mismatch", "reply-rpc-program-mismatch" },
        { "call-rpc-procedure-unavailable", "reply-rpc-procedure-unavailable" },
        { "call-rpc-garbage-arguments", "reply-rpc-garbage-arguments" },
        { "call-rpc-garbage-header", "reply-rpc-garbage-arguments" },
        { "call-rpc-mismatch", "reply-rpc-mismatch" },
        { "call-rpc-bad-credential", "reply-rpc-bad-credential" },
        { "call-rpc-bad-verifier", "reply-rpc-bad-verifier" },
        { "call-rpc-fragments", "reply-portmap-0-null" },
        { "call-rpc-not-a-call", null },
        { "call-rpc-empty-record", null },
        { "call-rpc-too-long", null },
        { "call-rpc-cut", null },
    };

    [Fact]
    public async Task Corpus_EveryProcedureThatIsServed_HasItsCallAndItsReplies()
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        foreach (RpcProgram program in harness.Programs.Programs)
        {
            for (uint procedure = 0; procedure < 32; procedure++)
            {
                byte[] answer = await client.ExchangeAsync(Wire.Call(1, program.Number, procedure));
                bool isServed = BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(20)) != ProcedureUnavailable;
                CorpusFile[] files = [.. CorpusFile.All.Where(file => file.Program == program.Number && file.Procedure == procedure)];
                files.Any(file => file.IsCall).Should().Be(isServed, "{0} serves procedure {1}, or does not", program.Name, procedure);
                files.Any(file => !file.IsCall).Should().Be(isServed, "{0} answers procedure {1}, or does not", program.Name, procedure);
            }
        }
    }

    [Theory]
    [InlineData(PortmapProcedure.Acquire)]
    [InlineData(PortmapProcedure.Register)]
    [InlineData(PortmapProcedure.BindFailed)]
    [InlineData(PortmapProcedure.Release)]
    [InlineData(PortmapProcedure.Extend)]
    [InlineData(PortmapProcedure.List)]
    [InlineData(PortmapProcedure.WaitForChange)]
    [InlineData(PortmapProcedure.AcquireAll)]
    [InlineData(PortmapProcedure.AcquireFleet)]
    [InlineData(PortmapProcedure.AcquireUnlessServed)]
    public void Corpus_EveryResultUnion_HasBothItsArms(uint procedure)
    {
        int[] arms = [.. CorpusFile.All.Where(file => !file.IsCall && file.Program == Wire.Portmap && file.Procedure == procedure)
            .Select(file => BinaryPrimitives.ReadInt32BigEndian(file.Bytes.AsSpan(28)))];
        arms.Should().Contain([PortmapProcedure.Ok, PortmapProcedure.Refused]);
    }

    [Fact]
    public void Corpus_EveryStatusOfACallAndOfAnAnswer_IsThere()
    {
        CorpusFile.All.Where(file => file.IsCall && file.Name is not ("call-rpc-too-long" or "call-rpc-cut" or "call-rpc-fragments"))
            .Select(file => StatusOf(file.Bytes)).Distinct().Should().BeEquivalentTo(Enum.GetValues<CallStatus>());
        CorpusFile.All.Where(file => !file.IsCall && BinaryPrimitives.ReadUInt32BigEndian(file.Bytes.AsSpan(12)) == RpcMessage.Accepted)
            .Select(file => (AcceptStatus)BinaryPrimitives.ReadUInt32BigEndian(file.Bytes.AsSpan(24))).Distinct()
            .Should().BeEquivalentTo(Enum.GetValues<AcceptStatus>());
        Frames.Select(row => (string)row[0]).Should().BeEquivalentTo(
            CorpusFile.All.Where(file => file.IsCall && file.Program is null).Select(file => file.Name), "each frame says what it is answered with");
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task Call_OfTheCorpus_IsOfItsProcedureAndAnsweredWithSuccess(string name)
    {
        CorpusFile file = CorpusFile.All.Single(file => file.Name == name);
        XdrReader reader = new(file.Bytes[4..]);
        CallHeader.Read(ref reader, out CallHeader header).Should().Be(CallStatus.Call);
        header.Should().Be(new CallHeader(3, file.Program!.Value, 1, file.Procedure));

        await using Harness harness = new();
        byte[] answer = await harness.Open().ExchangeAsync(file.Bytes);
        answer.AsSpan(0, 24).ToArray().Should().Equal(Wire.Success(3));
        MessageFields.ReadResults(file.Program.Value, file.Procedure, answer[24..]).Should().Be(0, "the client reads all of it");
    }

    [Theory]
    [MemberData(nameof(Replies))]
    public void Reply_OfTheCorpus_IsReadByTheClientToItsEnd(string name)
    {
        CorpusFile file = CorpusFile.All.Single(file => file.Name == name);
        XdrReader reader = new(file.Bytes[4..]);
        reader.ReadUInt32().Should().Be(3);
        reader.ReadUInt32().Should().Be(RpcMessage.Reply);
        string? complaint = ReplyHeader.Complaint(ref reader, out _);
        (complaint is null).Should().Be(file.Program is not null, complaint);
        if (file.Program is { } program)
        {
            MessageFields.ReadResults(program, file.Procedure, file.Bytes[28..]).Should().Be(0);
        }
    }

    [Theory]
    [MemberData(nameof(Frames))]
    public async Task Frame_OfTheCorpus_IsAnsweredAsTheCorpusSaysOrClosed(string call, string? reply)
    {
        await using Harness harness = new();
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await client.WriteAsync(CorpusFile.All.Single(file => file.Name == call).Bytes).Within();
        if (reply is not null)
        {
            (await client.ReadRecordAsync()).Should().Equal(CorpusFile.All.Single(file => file.Name == reply).Bytes[4..]);
            return;
        }

        client.End();
        await served.Within();
        (await client.ReadAsync(new byte[1]).Within()).Should().Be(0);
    }

    private static CallStatus StatusOf(byte[] bytes)
    {
        XdrReader reader = new(bytes[4..]);
        return CallHeader.Read(ref reader, out _);
    }
}
