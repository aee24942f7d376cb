using System.Buffers;
using CsCheck;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

public class FactLineTests
{
    private static readonly Gen<string> s_text = Gen.OneOf(Gen.String, Gen.String[Gen.Char["ab #\\\n\r\t\u007fé€"], 0, 40])
        .Where(text => !text.Any(char.IsSurrogate));

    private static readonly Gen<long> s_ms = Gen.OneOf(Gen.Const(0L), Gen.Long[-62_135_596_800_000, 253_402_300_799_999]);

    private static readonly Gen<PortFact> s_fact =
        Gen.Select(Gen.Select(Gen.Bool, Gen.Int[0, 65_535], Gen.Int[1, 3]), Gen.Select(Gen.Long, Gen.Int[0, int.MaxValue], Gen.Long[0, long.MaxValue], Gen.OneOf(Gen.Const(0L), Gen.Long)), Gen.Select(s_ms, s_ms), Gen.Guid.Select(Gen.Bool, Gen.UInt.Select(Gen.Bool)), s_text.Select(s_text))
            .Select((place, numbers, times, boot, texts) => new PortFact
            {
                Protocol = place.Item1 ? PortProtocol.Udp : PortProtocol.Tcp,
                Port = place.Item2,
                State = (PortState)place.Item3,
                Epoch = numbers.Item1,
                ProcessId = numbers.Item2,
                ProcessStart = numbers.Item3,
                Origin = numbers.Item4,
                AtMs = times.Item1,
                UntilMs = times.Item2,
                UserId = boot.Item3.Item2 ? boot.Item3.Item1 : null,
                BootId = boot.Item2 ? boot.Item1 : Guid.Empty,
                Owner = "o" + texts.Item1,
                Strategy = texts.Item2,
                Ports = numbers.Item2 % 2 == 0 ? texts.Item1 : null,
            });

    [Fact]
    public void Read_WhatWasWritten_IsTheSame()
    {
        FactLineReader reader = new();
        s_fact.SampleSeeds(fact => FactGen.Line(reader.Read(Line(fact))!) == FactGen.Line(fact));
    }

    [Fact]
    public void Write_AnyFact_MakesOneLineOfTheMeasuredLength() =>
        s_fact.SampleSeeds(fact =>
        {
            byte[] line = Line(fact);
            return line.Length + 1 == FactLine.Measure(fact)
                && line.Count(value => value == FactLine.Mark) == 1 && line[0] == FactLine.Mark
                && line.All(value => value >= ' ' && value != 0x7F);
        });

    [Fact]
    public void Measure_Mark_IsItsLength() => Gen.Long.SampleSeeds(epoch => Line(PortFact.Mark(epoch)).Length + 1 == FactLine.Measure(PortFact.Mark(epoch)));

    /// <summary>What docs/operating/sizing.md says of the disk.</summary>
    [Fact]
    public void Measure_OfARegistration_IsAbout230()
    {
        PortFact fact = new()
        {
            Owner = "vol0:/bricks/b1",
            Port = 49_152,
            Epoch = 1_790_000_000_000L << 20,
            State = PortState.Bound,
            ProcessId = 12_345,
            ProcessStart = 1_234_567,
            UserId = 1_000,
            BootId = Guid.NewGuid(),
            At = DateTimeOffset.FromUnixTimeMilliseconds(1_790_000_000_000),
            Strategy = PortRegistryOptions.AllocatorPicks,
        };

        FactLine.Measure(fact).Should().BeInRange(200, 260);
    }

    [Fact]
    public void Read_AnyOneByteChanged_IsNothing()
    {
        FactLineReader reader = new();
        Gen.Select(s_fact, Gen.UInt, Gen.Byte[1, 255]).SampleSeeds(input =>
        {
            (PortFact fact, uint place, byte change) = input;
            byte[] line = Line(fact);
            line[place % line.Length] ^= change;
            return reader.Read(line) is null;
        });
    }

    [Fact]
    public void Read_AnyPartOfALine_IsNothing()
    {
        FactLineReader reader = new();
        byte[] line = Line(FactGen.Bound("vol0:/bricks/b1", 50_000, 16));
        for (int length = 0; length < line.Length; length++)
        {
            reader.Read(line.AsSpan(0, length)).Should().BeNull();
            reader.Read(line.AsSpan(line.Length - length)).Should().BeNull();
        }
    }

    [Theory]
    [InlineData("tcp 70000 bound epoch=1 pid=1 start=1 boot=- at=- until=- by=x owner=b")]
    [InlineData("sctp 7 bound epoch=1 pid=1 start=1 boot=- at=- until=- by=x owner=b")]
    [InlineData("tcp 7 lost epoch=1 pid=1 start=1 boot=- at=- until=- by=x owner=b")]
    [InlineData("tcp 7 bound epoch=99999999999999999999 pid=1 start=1 boot=- at=- until=- by=x owner=b")]
    [InlineData("tcp 7 bound epoch=1 pid=1 start=1 boot=zzz at=- until=- by=x owner=b")]
    [InlineData("tcp 7 bound epoch=1 pid=1 start=1 boot=- at=2026-13-01T00:00:00.000Z until=- by=x owner=b")]
    [InlineData("tcp 7 bound epoch=1 pid=1 start=1 boot=- at=2026-02-30T00:00:00.000Z until=- by=x owner=b")]
    [InlineData("tcp 7 bound epoch=1 pid=1 start=1 boot=- at=- until=- by=x owner=")]
    [InlineData("tcp 7 bound epoch=1 pid=1 start=1 boot=- at=- until=- by=x owner=b\\x4")]
    [InlineData("tcp 7 bound epoch=1 pid=1 start=1 boot=- at=- until=- by=x")]
    [InlineData("tcp 7 reserved epoch=1 pid=0 start=0 boot=- at=- until=- in=\\x4 by=x owner=b")]
    [InlineData("mark epoch=")]
    [InlineData("mark epoch=1 more")]
    [InlineData("portmap-state 2")]
    public void Read_SealedButNoFact_IsNothing(string text)
    {
        byte[] body = System.Text.Encoding.UTF8.GetBytes(text);
        byte[] line = [.. System.Text.Encoding.UTF8.GetBytes(FormattableString.Invariant($"#{Crc32C.Of(body):x8} ")), .. body];
        FactLine.IsSealed(line).Should().BeTrue();
        new FactLineReader().Read(line).Should().BeNull();
    }

    [Fact]
    public void Crc32C_OfTheStandardsExamples_IsWhatItSays()
    {
        // RFC 3720, appendix B.4, and the check value of the catalogue of parametrised CRC
        // algorithms.
        Crc32C.Of("123456789"u8).Should().Be(0xE3069283);
        Crc32C.Of(new byte[32]).Should().Be(0x8A9136AA);
        Crc32C.Of([.. Enumerable.Range(0, 32).Select(i => (byte)i)]).Should().Be(0x46DD794E);
    }

    private static byte[] Line(PortFact fact)
    {
        ArrayBufferWriter<byte> to = new();
        FactLine.TryWrite(to, fact).Should().BeTrue();
        to.WrittenSpan[^1].Should().Be((byte)'\n');
        return to.WrittenSpan[..^1].ToArray();
    }
}
