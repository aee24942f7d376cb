using CsCheck;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests.Protocol;

[Collection(AloneCollection.Name)]   // the heap is the process's
public class RecordAssemblerTests
{
    private const int Limit = 256;

    private static readonly Gen<byte[][][]> s_records = Gen.Byte.Array[0, 40].Array[1, 5].Array[1, 6];

    [Fact]
    public void Read_AnyFragmentsInAnyPieces_YieldsTheSameRecords() =>
        Gen.Select(s_records, Gen.Int[1, 9].Array[1, 8]).SampleSeeds(input =>
        {
            (byte[][][] records, int[] pieces) = input;
            byte[] stream = [.. records.SelectMany(Fragments)];
            List<byte[]> read = ReadAll(stream, pieces, out RecordStatus status);
            status.Should().Be(RecordStatus.NeedMore);
            read.Should().BeEquivalentTo(records.Select(parts => parts.SelectMany(part => part).ToArray()), how => how.WithStrictOrdering());
        });

    [Fact]
    public void Read_OneByteAtATime_YieldsTheRecord() =>
        ReadAll([.. Wire.Fragment(), .. Wire.Fragment(1, 2), .. Wire.Fragment(), .. Wire.Record(3)], [1], out _).Should().ContainSingle().Which.Should().Equal(1, 2, 3);

    [Fact]
    public void IsBetweenRecords_EachByteOfARecord_IsFalseUntilTheLast()
    {
        byte[] record = Wire.Record(1, 2, 3);
        RecordAssembler assembler = new(Limit);
        for (int i = 0; i < record.Length; i++)
        {
            assembler.IsBetweenRecords.Should().Be(i == 0, "{0} bytes were read", i);
            ArraySegment<byte> input = new(record, i, 1);
            assembler.Read(ref input, out _);
        }

        assembler.IsBetweenRecords.Should().BeTrue();
    }

    [Fact]
    public void Read_EmptyRecord_IsARecord() => ReadAll(Wire.Record(), [100], out _).Should().ContainSingle().Which.Should().BeEmpty();

    [Fact]
    public void Read_AfterALongRecord_KeepsNoLongBuffer()
    {
        const int Long = 1_048_576;
        byte[] fragments = [.. Wire.Fragment(new byte[Long]), .. Wire.Record(1)];
        byte[] next = [.. Wire.Fragment(1), .. Wire.Record(2)];
        long before = GC.GetTotalMemory(forceFullCollection: true);
        RecordAssembler[] assemblers = [.. Enumerable.Range(0, 32).Select(_ => new RecordAssembler(2 * Long))];
        foreach (RecordAssembler assembler in assemblers)
        {
            ArraySegment<byte> input = fragments;
            assembler.Read(ref input, out ArraySegment<byte> record).Should().Be(RecordStatus.Complete);
            record.Count.Should().Be(Long + 1);
            input = next;
            assembler.Read(ref input, out record).Should().Be(RecordStatus.Complete);
            record.Should().Equal(1, 2);
        }

        long kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        GC.KeepAlive(assemblers);
        kept.Should().BeLessThan(16 * Long, "32 of them would hold 32 MiB and more");
    }

    [Fact]
    public void Read_OneWholeFragment_IsHandedOnWithoutACopy()
    {
        RecordAssembler assembler = new(Limit);
        byte[] bytes = Wire.Record(1, 2, 3);
        ArraySegment<byte> input = bytes;
        assembler.Read(ref input, out ArraySegment<byte> record).Should().Be(RecordStatus.Complete);
        record.Array.Should().BeSameAs(bytes);
    }

    [Theory]
    [InlineData(Limit, true)]
    [InlineData(Limit + 1, false)]
    public void Read_RecordAtTheLimit_PassesAndOneByteMoreDoesNot(int length, bool passes)
    {
        ArraySegment<byte> input = Wire.Record(new byte[length]);
        new RecordAssembler(Limit).Read(ref input, out _).Should().Be(passes ? RecordStatus.Complete : RecordStatus.TooLong);
    }

    [Fact]
    public void Read_FragmentsThatTogetherPassTheLimit_IsTooLong()
    {
        ReadAll([.. Wire.Fragment(new byte[200]), .. Wire.Record(new byte[57])], [64], out RecordStatus status).Should().BeEmpty();
        status.Should().Be(RecordStatus.TooLong);
    }

    [Fact]
    public void Read_HugeLengthAnnounced_IsTooLongBeforeAnyOfItCame()
    {
        ArraySegment<byte> input = Wire.Words(0xffff_ffff);
        new RecordAssembler(Limit).Read(ref input, out _).Should().Be(RecordStatus.TooLong);
    }

    [Fact]
    public void Read_ManyEmptyFragments_CostNothing()
    {
        byte[] stream = [.. Enumerable.Repeat(Wire.Fragment(), 10_000).SelectMany(part => part), .. Wire.Record(7)];
        ReadAll(stream, [1_000], out _).Should().ContainSingle().Which.Should().Equal(7);
    }

    [Fact]
    public void Read_Garbage_NeverThrowsAndNeverHangs() =>
        Gen.Select(Gen.Byte.Array[0, 400], Gen.Int[1, 9].Array[1, 8]).SampleSeeds(input =>
        {
            (byte[] bytes, int[] pieces) = input;
            ReadAll(bytes, pieces, out RecordStatus status);
            return status != RecordStatus.Complete;
        });

    private static IEnumerable<byte> Fragments(byte[][] parts) =>
        parts.SkipLast(1).SelectMany(part => Wire.Fragment(part)).Concat(Wire.Record(parts[^1]));

    private static List<byte[]> ReadAll(byte[] stream, int[] pieces, out RecordStatus status)
    {
        RecordAssembler assembler = new(Limit);
        List<byte[]> records = [];
        status = RecordStatus.NeedMore;
        int at = 0;
        for (int i = 0; at < stream.Length && status != RecordStatus.TooLong; i++)
        {
            int count = Math.Min(pieces[i % pieces.Length], stream.Length - at);
            var input = new ArraySegment<byte>([.. stream.AsSpan(at, count)]);
            at += count;
            while ((status = assembler.Read(ref input, out ArraySegment<byte> record)) == RecordStatus.Complete)
            {
                records.Add([.. record]);
            }
        }

        return records;
    }
}
