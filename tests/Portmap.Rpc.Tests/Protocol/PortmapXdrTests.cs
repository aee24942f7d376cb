using CsCheck;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Tests.Protocol;

public class PortmapXdrTests
{
    private static readonly Gen<string> s_text = Gen.String[Gen.Char['\u0001', '\u07ff'], 0, 20];

    private static readonly Gen<PortEntry> s_entry = Gen.Select(s_text, Gen.Int, Gen.Long, Gen.Int[0, 4], s_text, Gen.DateTime).Select(
        (owner, number, epoch, kind, strategy, since) => new PortEntry
        {
            Owner = owner,
            Port = number,
            Protocol = (PortProtocol)(kind % 3),
            State = (PortState)kind,
            Epoch = epoch,
            ProcessId = ~number,
            Since = new DateTimeOffset(since.Ticks, TimeSpan.Zero),
            OwnerCount = kind,
            Guarantee = (PortGuarantee)kind,
            Strategy = strategy,
        });

    [Fact]
    public void Request_OfAnOwnerAlone_IsReadAsThat()
    {
        XdrWriter writer = new();
        PortmapXdr.WriteRequest(writer, "b1");
        XdrReader reader = new(writer.Written.ToArray());

        PortmapXdr.ReadRequest(ref reader).Should().Be(new PortRequest("b1"));
    }

    [Theory]
    [InlineData(0, 0u)]
    [InlineData(1, 1u)]
    [InlineData(-1, 1u)]
    [InlineData(25_000, 2u)]
    [InlineData(long.MaxValue, uint.MaxValue)]
    public void Milliseconds_AnyTime_IsNoneOnlyForNone(long ticks, uint milliseconds) => PortmapXdr.Milliseconds(TimeSpan.FromTicks(ticks)).Should().Be(milliseconds);

    [Fact]
    public void Entry_WrittenAndRead_IsEqual() => s_entry.SampleSeeds(entry =>
    {
        XdrWriter writer = new();
        PortmapXdr.WriteEntry(writer, entry);
        XdrReader reader = new(writer.Written.ToArray());
        return PortmapXdr.ReadEntry(ref reader) == entry && reader.Remaining == 0;
    });

    [Fact]
    public void Change_WrittenAndRead_IsEqual() => Gen.Select(s_entry, Gen.Long, Gen.Int[0, 9]).SampleSeeds(input =>
    {
        (PortEntry entry, long revision, int kind) = input;
        PortChange change = new(revision, (PortChangeKind)kind, entry);
        XdrWriter writer = new();
        PortmapXdr.WriteChange(writer, change);
        XdrReader reader = new(writer.Written.ToArray());
        return PortmapXdr.ReadChange(ref reader) == change && reader.Remaining == 0;
    });

    [Fact]
    public void Refusal_WrittenAndRead_HasEveryPart() =>
        Gen.Select(Gen.Int[0, 24], s_text, s_text.Null(), Gen.Int, s_text.Null(), Gen.Long).SampleSeeds(input =>
        {
            (int reason, string message, string? owner, int number, string? holder, long epoch) = input;
            var refusal = new PortRefusal((PortRefusalReason)reason, message)
            {
                Owner = owner,
                Port = number,
                Protocol = PortProtocol.Udp,
                Holder = holder,
                HolderProcessId = ~number,
                HolderEpoch = epoch,
            };
            XdrWriter writer = new();
            PortmapXdr.WriteRefusal(writer, refusal, 65_536);
            XdrReader reader = new(writer.Written.ToArray());
            PortmapXdr.ReadRefusal(ref reader).Should().BeEquivalentTo(refusal);
            reader.Remaining.Should().Be(0);
        });

    [Fact]
    public void Refusal_WithTextsOfAnyLength_FitsAndKeepsWhatIsAName()
    {
        string[] units = ["x", "é", "\u20ac", "\ud83d\ude00", "\ud83d"];
        Gen<string> text = Gen.Select(Gen.Int[0, 4], Gen.Int[0, 20_000]).Select((unit, count) => string.Concat(Enumerable.Repeat(units[unit], count)));
        Gen.Select(text, text.Null(), text.Null(), Gen.Int[8_000, 70_000]).SampleSeeds(
            input =>
            {
                (string message, string? owner, string? holder, int room) = input;
                XdrWriter writer = new();
                PortmapXdr.WriteRefusal(writer, new PortRefusal(PortRefusalReason.Conflict, "what " + message + " to do") { Owner = owner, Port = 1, Holder = holder }, room);
                writer.Count.Should().BeLessThanOrEqualTo(room);
                XdrReader reader = new(writer.Written.ToArray());
                PortRefusal read = PortmapXdr.ReadRefusal(ref reader);
                reader.Remaining.Should().Be(0);
                read.Message.Should().StartWith("what ").And.EndWith(" to do");
                (read.Owner is null).Should().Be(owner is null || System.Text.Encoding.UTF8.GetByteCount(owner) > Math.Min(4_096, (room - 64) / 2));
            },
            inputs: 150);
    }

    [Theory]
    [InlineData(8_000, 4_096)]
    [InlineData(12_000, 4_096)]
    [InlineData(70_000, 0)]
    public void Refusal_WithTheLongestTexts_FitsAndSaysWhatToDo(int room, int nameBytes)
    {
        const int LongestMessage = 10_240;
        string name = new('a', nameBytes);
        XdrWriter writer = new();

        PortmapXdr.WriteRefusal(writer, new PortRefusal(PortRefusalReason.Conflict, "what " + new string('x', 20_000) + " to do") { Owner = name, Holder = name }, room);

        writer.Count.Should().BeLessThanOrEqualTo(room);
        XdrReader reader = new(writer.Written.ToArray());
        string message = PortmapXdr.ReadRefusal(ref reader).Message;
        message.Should().StartWith("what ").And.EndWith(" to do");
        System.Text.Encoding.UTF8.GetByteCount(message).Should().BeLessThanOrEqualTo(LongestMessage);
    }

    [Fact]
    public void Entry_OfRandomBytes_IsReadOrInvalidData() => Gen.Byte.Array[0, 200].SampleSeeds(bytes =>
    {
        XdrReader reader = new(bytes);
        try
        {
            PortmapXdr.ReadEntry(ref reader);
        }
        catch (InvalidDataException)
        {
            // What a client throws at an answer that makes no sense.
        }
    });
}
