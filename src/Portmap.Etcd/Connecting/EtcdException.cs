using System.Net.Sockets;
using Grpc.Core;
using Portmap.Diagnostics;

namespace Portmap.Etcd.Connecting;

/// <summary>What kind of failure a request to etcd met.</summary>
internal enum EtcdFailure
{
    /// <summary>No answer, or one that says to come again: another member may do.</summary>
    Unavailable,

    /// <summary>The lease is over.</summary>
    LeaseGone,

    /// <summary>The revision is compacted, or of a history that etcd has no more.</summary>
    RevisionGone,

    /// <summary>The answer is larger than a message may be: ask for less.</summary>
    TooLarge,

    /// <summary>The token is not, or no longer, good: authenticate again.</summary>
    TokenGone,

    /// <summary>The user may not do it, or is not known.</summary>
    Denied,

    /// <summary>Anything else that etcd says.</summary>
    Refused,
}

/// <summary>Every failure of etcd or of the way to it, whatever the transport threw.</summary>
/// <remarks>gRPC throws RpcException, a broken write of a stream HttpIOException, a timeout
/// OperationCanceledException.</remarks>
internal sealed class EtcdException(EtcdFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    public EtcdFailure Failure { get; } = failure;

    /// <summary>Whether this is a failure of the transport or of etcd, when a call threw it;
    /// anything else is a mistake of ours.</summary>
    public static bool Covers(Exception exception) =>
        exception is RpcException or HttpRequestException or IOException or SocketException or OperationCanceledException
            or InvalidOperationException;   // a call or a stream that is over, or disposed, already

    public static EtcdException Of(Exception exception, Uri member) => exception switch
    {
        EtcdException same => same,
        RpcException { StatusCode: StatusCode.Cancelled, Status.Detail: var detail } =>
            new EtcdException(EtcdFailure.Unavailable, Printable.Of($"{member}: no answer in time ({detail})"), exception),
        RpcException { Status: var status } => new EtcdException(Classify(status), Printable.Of($"{member}: {status.StatusCode}: {status.Detail}"), exception),
        OperationCanceledException => new EtcdException(EtcdFailure.Unavailable, $"{member}: no answer in time", exception),
        _ => new EtcdException(EtcdFailure.Unavailable, Printable.Of($"{member}: {exception.Message}"), exception),
    };

    private static EtcdFailure Classify(Status status)
    {
        string detail = status.Detail ?? string.Empty;
        bool Says(string text) => detail.Contains(text, StringComparison.Ordinal);
        return status.StatusCode switch
        {
            StatusCode.NotFound when Says("requested lease not found") => EtcdFailure.LeaseGone,
            StatusCode.ResourceExhausted when Says("maximum configured message size") || Says("message larger than max") => EtcdFailure.TooLarge,
            StatusCode.OutOfRange => EtcdFailure.RevisionGone,
            StatusCode.Unauthenticated => EtcdFailure.TokenGone,
            StatusCode.InvalidArgument when Says("revision of auth store is old") || Says("user name is empty") => EtcdFailure.TokenGone,
            StatusCode.InvalidArgument when Says("authentication failed") => EtcdFailure.Denied,
            StatusCode.PermissionDenied => EtcdFailure.Denied,
            StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.Unknown
                or StatusCode.Aborted or StatusCode.ResourceExhausted => EtcdFailure.Unavailable,
            _ => EtcdFailure.Refused,
        };
    }
}
