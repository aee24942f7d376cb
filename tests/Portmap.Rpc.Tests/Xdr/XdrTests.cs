using CsCheck;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Tests.Xdr;

public class XdrTests
{
    [Fact]
    public void Write_EveryType_IsBigEndianAndPaddedToFour()
    {
        XdrWriter writer = new();
        writer.WriteInt32(-2);
        writer.WriteUInt32(0x01020304);
        writer.WriteInt64(-3);
        writer.WriteUInt64(0x0102030405060708);
        writer.WriteBoolean(true);
        writer.WriteString("héy");
        writer.WriteOpaque([9, 8, 7, 6]);
        writer.WriteString(string.Empty);

        writer.Written.ToArray().Should().Equal(Wire.Hex(
            """
            ff ff ff fe  01 02 03 04  ff ff ff ff ff ff ff fd  01 02 03 04 05 06 07 08  00 00 00 01
            00 00 00 04 68 c3 a9 79  00 00 00 04 09 08 07 06  00 00 00 00
            """));
    }

    [Fact]
    public void Read_WhatWasWritten_IsTheSame() =>
        Gen.Select(Gen.Int, Gen.Long, Gen.Bool, Gen.String[Gen.Char['\u0001', '\u07ff'], 0, 40], Gen.Byte.Array[0, 40]).SampleSeeds(input =>
        {
            (int number, long hyper, bool flag, string text, byte[] bytes) = input;
            XdrWriter writer = new();
            writer.WriteOpaque(bytes);
            writer.WriteInt32(number);
            writer.WriteString(text);
            writer.WriteInt64(hyper);
            writer.WriteBoolean(flag);
            writer.WriteUInt64((ulong)hyper);
            writer.WriteUInt32((uint)number);

            XdrReader reader = new(writer.Written.ToArray());
            reader.ReadOpaque(40).ToArray().Should().Equal(bytes);
            reader.ReadInt32().Should().Be(number);
            reader.ReadString(80).Should().Be(text);
            reader.ReadInt64().Should().Be(hyper);
            reader.ReadBoolean().Should().Be(flag);
            reader.ReadUInt64().Should().Be((ulong)hyper);
            reader.ReadUInt32().Should().Be((uint)number);
            reader.Remaining.Should().Be(0);
        });

    [Fact]
    public void Read_AnyBytesInAnyOrder_AnswersOrSaysInvalidData() =>
        Gen.Select(Gen.Byte.Array[0, 64], Gen.Int[0, 6].Array[1, 12]).SampleSeeds(input =>
        {
            (byte[] bytes, int[] kinds) = input;
            XdrReader reader = new(bytes);
            try
            {
                foreach (int kind in kinds)
                {
                    ReadOne(ref reader, kind);
                }
            }
            catch (InvalidDataException)
            {
                // What a server answers as GARBAGE_ARGS. Any other exception fails the test.
            }

            return reader.Remaining >= 0;
        });

    [Theory]
    [InlineData("ff ff ff ff 00 00 00 00")]
    [InlineData("00 00 00 05 61 62 63 64")]
    [InlineData("00 00 00 05 61 62 63 64 65")]
    [InlineData("7f ff ff ff 61 62 63 64")]
    [InlineData("00 00 00 02 c3 28 00 00")]
    [InlineData("00 00 00 03 ed a0 80 00")]
    public void ReadString_TooLongCutShortOrIllFormed_IsInvalidData(string hex)
    {
        Action read = () => new XdrReader(Wire.Hex(hex)).ReadString(int.MaxValue);
        read.Should().Throw<InvalidDataException>();
    }

    [Fact]
    public void ReadString_LongerThanAllowed_IsInvalidDataNamingBoth()
    {
        Action read = () => new XdrReader(Wire.Text("abcde")).ReadString(4);
        read.Should().Throw<InvalidDataException>().WithMessage("*5*4*");
    }

    [Fact]
    public void ReadBoolean_NeitherZeroNorOne_IsInvalidData()
    {
        Action read = () => new XdrReader(Wire.Words(2)).ReadBoolean();
        read.Should().Throw<InvalidDataException>();
    }

    private static void ReadOne(ref XdrReader reader, int kind)
    {
        switch (kind)
        {
            case 0: reader.ReadInt32(); break;
            case 1: reader.ReadUInt32(); break;
            case 2: reader.ReadInt64(); break;
            case 3: reader.ReadUInt64(); break;
            case 4: reader.ReadBoolean(); break;
            case 5: reader.ReadString(32); break;
            default: reader.ReadOpaque(int.MaxValue); break;
        }
    }
}
