using CsCheck;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>What any program's caller meets: records, headers, statuses, limits.</summary>
public class ConnectionTests
{
    private static readonly uint[] s_programs = [Wire.Gluster, Wire.GfDump, Wire.Portmap, 1];

    [Theory]
    [InlineData(Wire.Gluster)]
    [InlineData(Wire.GfDump)]
    [InlineData(Wire.Portmap)]
    public async Task Null_OfEveryProgram_Succeeds(uint program)
    {
        await using Harness harness = new();
        (await harness.Open().ExchangeAsync(Wire.Call(7, program, 0))).Should().Equal(Wire.Success(7));
    }

    [Fact]
    public async Task Call_OfAnUnknownProgram_IsProgramUnavailable()
    {
        await using Harness harness = new();
        (await harness.Open().ExchangeAsync(Wire.Call(7, 100_000, 0))).Should().Equal(Wire.Reply(7, 1));
    }

    [Theory]
    [InlineData(Wire.Gluster)]
    [InlineData(Wire.GfDump)]
    [InlineData(Wire.Portmap)]
    public async Task Call_OfAnotherVersion_IsProgramMismatchNamingOneToOne(uint program)
    {
        await using Harness harness = new();
        (await harness.Open().ExchangeAsync(Wire.Call(7, program, version: 2, procedure: 0, []))).Should().Equal(Wire.Reply(7, 2, Wire.Words(1, 1)));
    }

    [Fact]
    public async Task Read_OfMuchAtOnce_TakesALargeBufferForThatLongOnly()
    {
        await using Harness harness = new();
        (PairStream client, PairStream server) = harness.OpenBoth();
        await client.ExchangeAsync(Wire.Call(1, Wire.Gluster, 0));
        server.Asked.Should().OnlyContain(size => size == 4_096);

        await client.ExchangeAsync(Wire.Call(2, Wire.Gluster, 0, new byte[20_000]));
        await client.ExchangeAsync(Wire.Call(3, Wire.Gluster, 0));   // the read for this one may have been begun with the large buffer
        await client.ExchangeAsync(Wire.Call(4, Wire.Gluster, 0));

        server.Asked.Should().Contain(32_768);
        server.Asked.Last().Should().Be(4_096);
    }

    [Fact]
    public async Task Call_GarbageOrAnEndInTheMiddle_IsALine()
    {
        Harness harness = new();
        await harness.Open().ExchangeAsync(Wire.Call(1, Wire.Gluster, 4));
        harness.Logs.Lines.Should().ContainSingle(line => line.Id.Name == "GarbageArguments");

        await harness.DisposeAsync();   // as a server that stops does it, while a peer is connected

        harness.Logs.Lines.Should().ContainSingle(line => line.Id.Name == "ConnectionBroke");
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(0, 2, 2)]
    [InlineData(2, 0, 2)]
    [InlineData(0, uint.MaxValue, uint.MaxValue)]
    public async Task Call_OfAVersionThatIsNotThere_NamesTheLowestAndTheHighest(uint one, uint other, uint highest)
    {
        PortmapServerOptions options = new();
        foreach (uint version in new[] { one, other }.Distinct())
        {
            options.Programs.Add(new Versioned(version));
        }

        await using Harness harness = new(options);
        (await harness.Open().ExchangeAsync(Wire.Call(7, Versioned.Id, version: 5, procedure: 0, []))).Should().Equal(Wire.Reply(7, 2, Wire.Words(0, highest)));
        (await harness.Open().ExchangeAsync(Wire.Call(8, Versioned.Id, version: 0, procedure: 0, []))).Should().Equal(Wire.Success(8));
    }

    [Theory]
    [InlineData(Wire.Gluster, 3)]
    [InlineData(Wire.Gluster, 6)]
    [InlineData(Wire.GfDump, 3)]
    [InlineData(Wire.Portmap, 13)]
    public async Task Call_OfAnUnknownProcedure_IsProcedureUnavailable(uint program, uint procedure)
    {
        await using Harness harness = new();
        (await harness.Open().ExchangeAsync(Wire.Call(7, program, procedure, Wire.Words(1, 2, 3, 4)))).Should().Equal(Wire.Reply(7, 3));
    }

    [Theory]
    [InlineData(Wire.Gluster, 1)]
    [InlineData(Wire.Gluster, 2)]
    [InlineData(Wire.Gluster, 4)]
    [InlineData(Wire.Gluster, 5)]
    [InlineData(Wire.GfDump, 1)]
    [InlineData(Wire.Portmap, 1)]
    [InlineData(Wire.Portmap, 2)]
    [InlineData(Wire.Portmap, 3)]
    [InlineData(Wire.Portmap, 4)]
    [InlineData(Wire.Portmap, 5)]
    [InlineData(Wire.Portmap, 6)]
    [InlineData(Wire.Portmap, 7)]
    [InlineData(Wire.Portmap, 8)]
    public async Task Call_WithoutItsArguments_IsGarbageArgumentsAndTheConnectionLives(uint program, uint procedure)
    {
        await using Harness harness = new();
        PairStream client = harness.Open();
        (await client.ExchangeAsync(Wire.Call(7, program, procedure))).Should().Equal(Wire.Reply(7, 4));
        (await client.ExchangeAsync(Wire.Call(8, program, 0))).Should().Equal(Wire.Success(8));
    }

    [Fact]
    public async Task Call_OfAnotherRpcVersion_IsDeniedNamingTwo()
    {
        await using Harness harness = new();
        (await harness.Open().ExchangeAsync(Wire.Record(Wire.Words(7, 0, 3, Wire.Gluster, 1, 0, 0, 0, 0, 0)))).Should().Equal(Wire.Words(7, 1, 1, 0, 2, 2));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 399)]
    [InlineData(390_039, 24)]
    [InlineData(390_040, 400)]
    public async Task Call_WithAnyCredentialUpTo400Bytes_IsServed(uint flavor, int length)
    {
        await using Harness harness = new();
        byte[] call = Wire.Record([.. Wire.Words(7, 0, 2, Wire.Gluster, 1, 0, flavor), .. Wire.Opaque(new byte[length]), .. Wire.Words(0, 0)]);
        (await harness.Open().ExchangeAsync(call)).Should().Equal(Wire.Success(7));
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 3)]
    public async Task Call_WithMoreThan400BytesOfAuthentication_IsDenied(bool isCredential, uint why)
    {
        await using Harness harness = new();
        byte[] tooLong = Wire.Opaque(new byte[401]), none = Wire.Words(0);
        byte[] call = Wire.Record([
            .. Wire.Words(7, 0, 2, Wire.Gluster, 1, 0, 0), .. isCredential ? tooLong : none, .. Wire.Words(0), .. isCredential ? none : tooLong]);
        (await harness.Open().ExchangeAsync(call)).Should().Equal(Wire.Words(7, 1, 1, 1, why));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(12)]
    [InlineData(24)]
    [InlineData(36)]
    public async Task Call_WhoseHeaderEndsEarly_IsGarbageArguments(int bytes)
    {
        await using Harness harness = new();
        byte[] header = Wire.Words(7, 0, 2, Wire.Gluster, 1, 0, 0, 0, 0, 0);
        (await harness.Open().ExchangeAsync(Wire.Record(header[..bytes]))).Should().Equal(Wire.Reply(7, 4));
    }

    [Theory]
    [InlineData("")]
    [InlineData("00 00 00 07")]
    [InlineData("00 00 00 07 00 00 00 01 00 00 00 00")]
    [InlineData("47 45 54 20 2f 20 48 54 54 50 2f 31")]
    public async Task Record_ThatIsNoCall_ClosesTheConnectionWithOneLine(string hex)
    {
        await using Harness harness = new();
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await client.WriteAsync(Wire.Record(Wire.Hex(hex))).Within();
        (await client.ReadAsync(new byte[1]).Within()).Should().Be(0);
        await served.Within();
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Id.Should().Be(2007);
    }

    [Fact]
    public async Task Record_LongerThanTheLimit_ClosesTheConnectionWithOneLineAfterTheAnswersBefore()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxRecordBytes = 16_384 });
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await client.WriteAsync((byte[])[.. Wire.Call(7, Wire.Gluster, 0), .. Wire.Words(0x8000_4001)]).Within();
        (await client.ReadRecordAsync()).Should().Equal(Wire.Success(7));
        (await client.ReadAsync(new byte[1]).Within()).Should().Be(0);
        await served.Within();
        harness.Logs.Lines.Should().ContainSingle().Which.Id.Name.Should().Be("RecordTooLong");
    }

    [Fact]
    public async Task Connection_ThatEndsInTheMiddleOfARecord_IsForgottenQuietly()
    {
        await using Harness harness = new();
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await client.WriteAsync(Wire.Call(7, Wire.Gluster, 0).AsMemory(0, 11)).Within();
        client.End();
        await served.Within();
        harness.Logs.Warnings.Should().BeEmpty();
        harness.Logs.Lines.Should().ContainSingle().Which.Id.Name.Should().Be("HalfRecord");
    }

    [Fact]
    public async Task Calls_PipelinedInAnyPieces_AreAnsweredInOrder()
    {
        await using Harness harness = new();
        await Gen.Int[1, 50].Array[1, 6].SampleSeedsAsync(
            async pieces =>
            {
                PairStream client = harness.Open();
                byte[] calls = [.. Enumerable.Range(1, 20).SelectMany(xid => Wire.Call((uint)xid, Wire.Gluster, 1, Wire.Text("nobody")))];
                Task writing = WriteInPiecesAsync(client, calls, pieces);
                for (uint xid = 1; xid <= 20; xid++)
                {
                    (await client.ReadRecordAsync()).Should().Equal(Wire.Success(xid, Wire.Words(0xffff_ffff, 0, 0, 0)));
                }

                await writing.Within();
            },
            inputs: 20);
    }

    [Fact]
    public async Task Bytes_ThatMakeNoSense_NeverEndInAnError()
    {
        await using Harness harness = new();
        Gen<byte[]> call = Gen.Select(
            Gen.Int[0, 3], Gen.UInt[0, 8], Gen.Byte.Array[0, 60], (program, procedure, bytes) => Wire.Call(7, s_programs[program], procedure, bytes));
        Gen<byte[]> anything = Gen.OneOf(call, Gen.Byte.Array[0, 60].Select(Wire.Record), Gen.Byte.Array[0, 60]);
        await anything.Array[1, 5].SampleSeedsAsync(
            async parts =>
            {
                (PairStream client, Task served) = harness.Connect(Harness.Known);
                await client.WriteAsync((byte[])[.. parts.SelectMany(part => part)]).Within();
                client.End();
                await served.Within();
            },
            inputs: 150);
        harness.Logs.Lines.Should().NotContain(line => line.Id.Name == "ConnectionFailed" || line.Id.Name == "ProgramFailed");
    }

    [Fact]
    public async Task Client_ThatReadsNoAnswers_IsReadNoMore()
    {
        await using Harness harness = new();
        (PairStream client, PairStream server) = harness.OpenBoth();
        byte[] calls = [.. Enumerable.Range(0, 500).SelectMany(_ => Wire.Call(7, Wire.GfDump, 1, new byte[8]))];
        Task writing = WriteManyAsync(client, calls, times: 40);

        // Its one loop hangs on writing, so what it has read up to now is all it reads.
        await server.HeldBack.Within();
        server.BytesRead.Should().BeLessThan(200_000, "a megabyte of calls is waiting and no answer was read");
        writing.IsCompleted.Should().BeFalse();

        for (int i = 0; i < 40 * 500; i++)
        {
            (await client.ReadRecordAsync())[..8].Should().Equal(Wire.Words(7, 1));
        }

        await writing.Within();
    }

    [Fact]
    public async Task Connections_ThatEnd_LeaveNoSessionBehind()
    {
        await using Harness harness = new();
        for (int i = 0; i < 100; i++)
        {
            (PairStream client, Task served) = harness.Connect(Harness.Known);
            (await client.ExchangeAsync(Wire.Call(7, Wire.Gluster, 0))).Should().Equal(Wire.Success(7));
            client.End();
            await served.Within();
        }

        harness.Logs.Lines.Should().BeEmpty();
    }

    [Fact]
    public async Task Program_OfTheHost_IsCalledListedAndItsErrorsAreSystemErrors()
    {
        PortmapServerOptions options = new();
        options.Programs.Add(new EchoProgram());
        await using Harness harness = new(options);
        PairStream client = harness.Open();
        (await client.ExchangeAsync(Wire.Call(1, EchoProgram.Id, 2, 1, Wire.Text("abc")))).Should().Equal(Wire.Success(1, Wire.Text("abc")));
        (await client.ExchangeAsync(Wire.Call(2, EchoProgram.Id, 2, 2, []))).Should().Equal(Wire.Reply(2, 5));
        (await client.ExchangeAsync(Wire.Call(3, EchoProgram.Id, 2, 1, []))).Should().Equal(Wire.Reply(3, 4));
        (await client.ExchangeAsync(Wire.Call(4, EchoProgram.Id, 2, 9, []))).Should().Equal(Wire.Reply(4, 3));
        (await client.ExchangeAsync(Wire.Call(5, EchoProgram.Id, 1, 1, []))).Should().Equal(Wire.Reply(5, 2, Wire.Words(2, 2)));
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("ProgramFailed");
    }

    [Fact]
    public async Task Connection_OfAProgramWhoseCancellationThrows_IsClosedAllTheSame()
    {
        PortmapServerOptions options = new();
        options.Programs.Add(new EchoProgram());
        await using Harness harness = new(options);
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        (await client.ExchangeAsync(Wire.Call(1, EchoProgram.Id, 2, 3, []))).Should().Equal(Wire.Success(1));

        await client.WriteAsync((byte[])[0xFF, 0xFF, 0xFF, 0xFF]);   // longer than any record

        (await client.ReadAsync(new byte[1]).Within()).Should().Be(0);
        await served.Within();
        harness.Logs.Lines.Should().Contain(line => line.Id.Name == "ConnectionFailed");
    }

    [Fact]
    public void Programs_OfOneNumberAndVersion_AreRefused()
    {
        PortmapServerOptions options = new();
        options.Programs.Add(new EchoProgram());
        options.Programs.Add(new EchoProgram());
        using PortRegistry registry = new(new PortRegistryOptions());
        Action make = () => _ = new PortmapServer(registry, options);
        make.Should().Throw<ArgumentException>().WithMessage("*Echo*4660*2*");
    }

    private static async Task WriteInPiecesAsync(PairStream client, byte[] bytes, int[] pieces)
    {
        int at = 0;
        for (int i = 0; at < bytes.Length; i++)
        {
            int count = Math.Min(pieces[i % pieces.Length], bytes.Length - at);
            await client.WriteAsync(bytes.AsMemory(at, count));
            at += count;
        }
    }

    private static async Task WriteManyAsync(PairStream client, byte[] bytes, int times)
    {
        for (int i = 0; i < times; i++)
        {
            await client.WriteAsync(bytes);
        }
    }

    private sealed class EchoProgram : IRpcProgram
    {
        public const uint Id = 0x1234;

        public uint Number => Id;

        public uint Version => 2;

        public string Name => "Echo";

        public async ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
        {
            switch (request.Procedure)
            {
                case 1:
                    string text = request.ReadString(100);
                    await Task.Yield();
                    request.WriteString(text);
                    return true;
                case 2:
                    request.WriteInt32(1);
                    throw new InvalidOperationException("broken on purpose");
                case 3:
                    cancellationToken.Register(() => throw new InvalidOperationException("broken on purpose"));
                    return true;
                default:
                    return false;
            }
        }
    }

    private sealed class Versioned(uint version) : IRpcProgram
    {
        public const uint Id = 0x4322;

        public uint Number => Id;

        public uint Version => version;

        public string Name => "Versioned";

        public ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken) => ValueTask.FromResult(false);
    }

    [Fact]
    public async Task Calls_ThatComeFasterThanTheyAreAnswered_LeaveTheThreadToOthers()
    {
        await using Harness harness = new();
        using ReadyStream flood = new(Wire.Call(1, Wire.Portmap, 0), times: 10_000);
        using RpcConnection connection = new(harness.Context, harness.Programs, flood, Harness.Known, CancellationToken.None);
        TaskCompletionSource<Task> begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread first = new(() => begun.SetResult(connection.RunAsync())) { IsBackground = true };   // none of the pool, which would go on with it
        flood.Watched = first;
        first.Start();

        await (await begun.Task.Within()).Within();

        flood.Reads.Should().Be(10_001, "the last one finds the end");
        flood.ReadsOfWatched.Should().BeInRange(1, 1_000);
    }

    /// <summary>A connection that always has the next call there, and takes each answer at
    /// once.</summary>
    private sealed class ReadyStream(byte[] call, int times) : MemoryStream
    {
        public Thread? Watched { get; set; }

        public int Reads { get; private set; }

        /// <summary>How many of them the watched thread made.</summary>
        public int ReadsOfWatched { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Reads++;
            ReadsOfWatched += Thread.CurrentThread == Watched ? 1 : 0;
            if (Reads > times)
            {
                return ValueTask.FromResult(0);
            }

            call.CopyTo(buffer);
            return ValueTask.FromResult(call.Length);
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;
    }
}
