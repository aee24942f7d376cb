using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Connecting;

/// <summary>One page of a listing, as etcd sent it: a <c>RangeResponse</c> whose keys are read
/// where they stand.</summary>
/// <remarks>For one thread. Its buffer is shared with others once it is disposed.</remarks>
internal sealed class RangePage : IDisposable
{
    /// <summary>The call that answers with one.</summary>
    public static readonly Method<RangeRequest, RangePage> Method = new(
        MethodType.Unary,
        "etcdserverpb.KV",
        "Range",
        Marshallers.Create(static (RangeRequest request, SerializationContext context) => Write(request, context), static _ => throw new NotSupportedException()),
        Marshallers.Create(static (RangePage _, SerializationContext _) => throw new NotSupportedException(), static context => new RangePage(context)));

    private readonly int _length;
    private byte[] _buffer;

    private RangePage(DeserializationContext context)
    {
        _length = context.PayloadLength;
        _buffer = ArrayPool<byte>.Shared.Rent(_length);
        context.PayloadAsReadOnlySequence().CopyTo(_buffer);
        WireReader response = new(_buffer.AsSpan(0, _length));
        ReadOnlySpan<byte> last = default;
        while (response.Read())
        {
            switch (response.Field)
            {
                case RangeResponse.HeaderFieldNumber:
                    Revision = RevisionOf(response.Bytes);
                    break;
                case RangeResponse.KvsFieldNumber:
                    Count++;
                    last = response.Bytes;
                    break;
                case RangeResponse.MoreFieldNumber:
                    IsMore = response.Number != 0;
                    break;
            }
        }

        LastKey = ByteString.CopyFrom(Read(last).Key);
    }

    /// <summary>The revision of etcd that answered.</summary>
    public long Revision { get; }

    /// <summary>How many keys it has.</summary>
    public int Count { get; }

    /// <summary>How many bytes it took.</summary>
    public int Bytes => _length;

    /// <summary>The range goes on.</summary>
    public bool IsMore { get; }

    /// <summary>The last of its keys; empty when it has none.</summary>
    public ByteString LastKey { get; }

    /// <summary>Gives each key.</summary>
    public void Tell(EachKey each)
    {
        WireReader response = new(_buffer.AsSpan(0, _length));
        while (response.Read())
        {
            if (response.Field == RangeResponse.KvsFieldNumber)
            {
                each(Read(response.Bytes));
            }
        }
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }

    private static void Write(RangeRequest request, SerializationContext context)
    {
        context.SetPayloadLength(request.CalculateSize());
        request.WriteTo(context.GetBufferWriter());
        context.Complete();
    }

    private static long RevisionOf(ReadOnlySpan<byte> header)
    {
        WireReader fields = new(header);
        long revision = 0;
        while (fields.Read())
        {
            revision = fields.Field == ResponseHeader.RevisionFieldNumber ? fields.Number : revision;
        }

        return revision;
    }

    private static ListedKey Read(ReadOnlySpan<byte> pair)
    {
        WireReader fields = new(pair);
        ReadOnlySpan<byte> key = default, value = default;
        long modRevision = 0, lease = 0;
        while (fields.Read())
        {
            switch (fields.Field)
            {
                case KeyValue.KeyFieldNumber:
                    key = fields.Bytes;
                    break;
                case KeyValue.ValueFieldNumber:
                    value = fields.Bytes;
                    break;
                case KeyValue.ModRevisionFieldNumber:
                    modRevision = fields.Number;
                    break;
                case KeyValue.LeaseFieldNumber:
                    lease = fields.Number;
                    break;
            }
        }

        return new ListedKey { Key = key, Value = value, ModRevision = modRevision, Lease = lease };
    }
}
