using Google.Protobuf;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Connecting;

/// <summary>The parts that requests are made of.</summary>
internal static class Txn
{
    public static RequestOp Put(ByteString key, ByteString value, long lease) =>
        new() { RequestPut = new PutRequest { Key = key, Value = value, Lease = lease } };

    public static RequestOp Delete(ByteString key) => new() { RequestDeleteRange = new DeleteRangeRequest { Key = key } };

    public static RequestOp Get(ByteString key) => new() { RequestRange = new RangeRequest { Key = key } };

    public static Compare IsAbsent(ByteString key) => new() { Key = key, Target = Compare.Types.CompareTarget.Create, CreateRevision = 0 };

    public static Compare IsModifiedAt(ByteString key, long revision) => new() { Key = key, Target = Compare.Types.CompareTarget.Mod, ModRevision = revision };

    public static Compare IsCreatedAt(ByteString key, long revision) => new() { Key = key, Target = Compare.Types.CompareTarget.Create, CreateRevision = revision };

    public static Compare HasLease(ByteString key, long lease) => new() { Key = key, Target = Compare.Types.CompareTarget.Lease, Lease = lease };

    public static Compare HasValue(ByteString key, ByteString value) => new() { Key = key, Target = Compare.Types.CompareTarget.Value, Value = value };

    public static TxnRequest When(params ReadOnlySpan<Compare> compares)
    {
        TxnRequest request = new();
        foreach (Compare compare in compares)
        {
            request.Compare.Add(compare);
        }

        return request;
    }

    public static TxnRequest Then(this TxnRequest request, RequestOp operation)
    {
        request.Success.Add(operation);
        return request;
    }

    public static TxnRequest Else(this TxnRequest request, RequestOp operation)
    {
        request.Failure.Add(operation);
        return request;
    }

    /// <summary>What stands under the key that the last <see cref="Get"/> of a transaction asked
    /// for, or null.</summary>
    public static KeyValue? Found(this TxnResponse response) =>
        response.Responses.Count > 0 && response.Responses[^1].ResponseRange is { Kvs: [var first, ..] } ? first : null;
}
