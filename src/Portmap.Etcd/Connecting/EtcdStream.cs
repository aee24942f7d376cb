using Grpc.Core;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Connecting;

/// <summary>One stream of requests and answers with one member; whatever breaks it comes out as an
/// <see cref="EtcdException"/>.</summary>
/// <remarks>One thread writes and one reads at a time. It breaks off what waits when it is
/// disposed.</remarks>
internal sealed class EtcdStream<TRequest, TResponse> : IAsyncDisposable
{
    private readonly EtcdClient _client;
    private readonly EtcdMember _member;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing = new();
    private readonly AsyncDuplexStreamingCall<TRequest, TResponse> _call;
    private Task _reading = Task.CompletedTask;

    public EtcdStream(
        EtcdClient client, EtcdMember member, Func<CallOptions, AsyncDuplexStreamingCall<TRequest, TResponse>> open, Metadata headers, TimeProvider time)
    {
        _client = client;
        _member = member;
        _time = time;
        _call = open(new CallOptions(headers, cancellationToken: _closing.Token));
    }

    /// <summary>Sends a request; the first one waits for the connection too.</summary>
    public async Task WriteAsync(TRequest request, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await _call.RequestStream.WriteAsync(request, CancellationToken.None).WaitAsync(limit, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsFailure(exception, cancellationToken))
        {
            throw _client.Failed(exception, _member);
        }
    }

    /// <summary>The next answer. Whoever gives up waiting disposes the stream: the answer that
    /// comes then is lost.</summary>
    public Task<TResponse> ReadAsync(CancellationToken cancellationToken)
    {
        Task<TResponse> reading = ReadNextAsync(cancellationToken);
        _reading = reading;
        return reading;
    }

    private async Task<TResponse> ReadNextAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (await _call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
            {
                return _call.ResponseStream.Current;
            }
        }
        catch (RpcException exception) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(exception.Message, exception, cancellationToken);
        }
        catch (Exception exception) when (IsFailure(exception, cancellationToken))
        {
            throw _client.Failed(exception, _member);
        }

        cancellationToken.ThrowIfCancellationRequested();
        throw _client.Failed(new IOException("the stream ended"), _member);
    }

    /// <summary>Reads keys of the same member, beside the stream.</summary>
    public Task<RangeResponse> RangeAsync(RangeRequest request, CancellationToken cancellationToken) => _client.RangeAsync(_member, request, cancellationToken);

    /// <summary>The member says nothing any more: the next one is to be asked.</summary>
    public EtcdException Silent() => _client.Failed(new OperationCanceledException(), _member);

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        _call.Dispose();
        try
        {
            await _reading.ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is EtcdException || EtcdException.Covers(exception))
        {
            // It was broken off, or has told its reader already.
        }

        _closing.Dispose();
    }

    /// <summary>What breaks because we close is no failure of the member.</summary>
    private bool IsFailure(Exception exception, CancellationToken cancellationToken) =>
        !_closing.IsCancellationRequested && !cancellationToken.IsCancellationRequested && (exception is TimeoutException || EtcdException.Covers(exception));
}
