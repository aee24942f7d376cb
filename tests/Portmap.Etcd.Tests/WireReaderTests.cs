using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Tests;

/// <summary>Answers that are read where they stand, against the code that is generated for
/// them.</summary>
public class WireReaderTests
{
    [Fact]
    public void Read_AnyMessage_IsWhatTheGeneratedCodeReads()
    {
        Random random = new(16);
        for (int round = 0; round < 1_000; round++)
        {
            KeyValue pair = new()
            {
                Key = Bytes(random),
                Value = Bytes(random),
                CreateRevision = random.NextInt64(),
                ModRevision = random.Next(2) == 0 ? random.NextInt64() : -random.NextInt64(),
                Lease = random.Next(3) == 0 ? 0 : random.NextInt64(long.MinValue, long.MaxValue),
            };

            (ByteString Key, ByteString Value, long ModRevision, long Lease) read = (ByteString.Empty, ByteString.Empty, 0, 0);
            WireReader reader = new(pair.ToByteArray());
            while (reader.Read())
            {
                switch (reader.Field)
                {
                    case KeyValue.KeyFieldNumber:
                        read.Key = ByteString.CopyFrom(reader.Bytes);
                        break;
                    case KeyValue.ValueFieldNumber:
                        read.Value = ByteString.CopyFrom(reader.Bytes);
                        break;
                    case KeyValue.ModRevisionFieldNumber:
                        read.ModRevision = reader.Number;
                        break;
                    case KeyValue.LeaseFieldNumber:
                        read.Lease = reader.Number;
                        break;
                }
            }

            read.Should().Be((pair.Key, pair.Value, pair.ModRevision, pair.Lease));
        }
    }

    /// <summary>Each prefix and each byte changed: an answer, or InvalidDataException.</summary>
    [Fact]
    public void Read_DamagedMessage_EndsOrSaysSo()
    {
        byte[] whole = new KeyValue { Key = ByteString.CopyFromUtf8("key"), Value = ByteString.CopyFromUtf8("value"), ModRevision = 1_000_000, Lease = -1 }.ToByteArray();
        for (int length = 0; length < whole.Length; length++)
        {
            ReadAll(whole[..length]);
        }

        for (int at = 0; at < whole.Length; at++)
        {
            for (int value = 0; value < 256; value++)
            {
                byte[] damaged = [.. whole];
                damaged[at] = (byte)value;
                ReadAll(damaged);
            }
        }

        FluentActions.Invoking(() => ReadAll([0x0A, 0x05, 1], mayFail: false)).Should().Throw<InvalidDataException>();
        FluentActions.Invoking(() => ReadAll([.. Enumerable.Repeat((byte)0xFF, 11)], mayFail: false)).Should().Throw<InvalidDataException>();

        static void ReadAll(byte[] message, bool mayFail = true)
        {
            try
            {
                WireReader reader = new(message);
                while (reader.Read())
                {
                    // Each field takes a byte at least, so that it ends.
                }
            }
            catch (InvalidDataException) when (mayFail)
            {
                // Said.
            }
        }
    }

    private static ByteString Bytes(Random random)
    {
        byte[] bytes = new byte[random.Next(300)];
        random.NextBytes(bytes);
        return ByteString.CopyFrom(bytes);
    }
}
