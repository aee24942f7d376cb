using Grpc.Core;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Connecting;

/// <summary>Requests to etcd: one member at a time, the next one after a failure, each with a limit
/// and with the user's token.</summary>
/// <remarks>Safe for any thread. A request is sent once, but for a token that had run out: whether
/// to send it again after a failure is known only to who asks.</remarks>
internal sealed class EtcdClient : IDisposable
{
    private readonly PortmapFleetOptions _options;
    private readonly TimeProvider _time;
    private readonly EtcdMember[] _members;
    private int _current;
    private string? _token;

    public EtcdClient(PortmapFleetOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _members = [.. PortmapFleetOptionsValidator.ParseEndpoints(options.Endpoints)!.Select(endpoint => new EtcdMember(endpoint, options))];
    }

    /// <summary>How many members there are to ask.</summary>
    public int Members => _members.Length;

    public Task<RangeResponse> RangeAsync(RangeRequest request, CancellationToken cancellationToken) =>
        CallAsync((member, options) => member.Kv.RangeAsync(request, options), cancellationToken);

    /// <summary>As the other, of this member.</summary>
    public Task<RangeResponse> RangeAsync(EtcdMember member, RangeRequest request, CancellationToken cancellationToken) =>
        CallWithinAsync((one, options) => one.Kv.RangeAsync(request, options), _options.RequestTimeout, cancellationToken, member);

    /// <summary>As <see cref="RangeAsync(RangeRequest, CancellationToken)"/>, for an answer of many
    /// keys.</summary>
    public Task<RangePage> PageAsync(RangeRequest request, CancellationToken cancellationToken) =>
        CallAsync((member, options) => member.Invoker.AsyncUnaryCall(RangePage.Method, null, options, request), cancellationToken);

    public Task<TxnResponse> TxnAsync(TxnRequest request, CancellationToken cancellationToken) =>
        CallAsync((member, options) => member.Kv.TxnAsync(request, options), cancellationToken);

    /// <summary>As <see cref="TxnAsync"/>, within a part of the time: for who has to hear from one of
    /// all members within the time of one request.</summary>
    public Task<TxnResponse> TxnInPartAsync(TxnRequest request, CancellationToken cancellationToken) =>
        CallWithinAsync((member, options) => member.Kv.TxnAsync(request, options), _options.RequestTimeout / _members.Length, cancellationToken);

    public Task<LeaseGrantResponse> GrantAsync(TimeSpan ttl, CancellationToken cancellationToken) =>
        CallAsync((member, options) => member.Lease.LeaseGrantAsync(new LeaseGrantRequest { TTL = (long)ttl.TotalSeconds }, options), cancellationToken);

    public Task<LeaseRevokeResponse> RevokeAsync(long lease, CancellationToken cancellationToken) =>
        CallAsync((member, options) => member.Lease.LeaseRevokeAsync(new LeaseRevokeRequest { ID = lease }, options), cancellationToken);

    /// <summary>All keys that go with a lease; none when it is gone.</summary>
    public Task<LeaseTimeToLiveResponse> KeysOfLeaseAsync(long lease, CancellationToken cancellationToken) =>
        CallAsync((member, options) => member.Lease.LeaseTimeToLiveAsync(new LeaseTimeToLiveRequest { ID = lease, Keys = true }, options), cancellationToken);

    public Task<EtcdStream<WatchRequest, WatchResponse>> OpenWatchAsync(CancellationToken cancellationToken) =>
        OpenAsync((member, options) => member.Watch.Watch(options), _options.RequestTimeout, cancellationToken);

    public Task<EtcdStream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>> OpenKeepAliveAsync(TimeSpan within, CancellationToken cancellationToken) =>
        OpenAsync((member, options) => member.Lease.LeaseKeepAlive(options), within, cancellationToken);

    /// <summary>Another member from now on, unless somebody has moved on already; its token is
    /// asked for anew.</summary>
    public void MoveOn(EtcdMember failed)
    {
        int current = Volatile.Read(ref _current);
        if (_members[current] == failed)
        {
            _ = Interlocked.CompareExchange(ref _current, (current + 1) % _members.Length, current);
        }
    }

    public void ForgetToken() => Volatile.Write(ref _token, null);

    public void Dispose()
    {
        foreach (EtcdMember member in _members)
        {
            member.Dispose();
        }
    }

    private Task<T> CallAsync<T>(Func<EtcdMember, CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken) =>
        CallWithinAsync(call, _options.RequestTimeout, cancellationToken);

    private async Task<T> CallWithinAsync<T>(
        Func<EtcdMember, CallOptions, AsyncUnaryCall<T>> call, TimeSpan within, CancellationToken cancellationToken, EtcdMember? only = null)
    {
        for (bool isAgain = false; ; isAgain = true)
        {
            EtcdMember member = only ?? _members[Volatile.Read(ref _current)];
            using CancellationTokenSource limit = new(within, _time);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            try
            {
                Metadata headers = await HeadersAsync(member, either.Token).ConfigureAwait(false);
                using AsyncUnaryCall<T> running = call(member, new CallOptions(headers, cancellationToken: either.Token));
                return await running.ResponseAsync.ConfigureAwait(false);
            }
            catch (Exception exception) when (EtcdException.Covers(exception) && !cancellationToken.IsCancellationRequested)
            {
                EtcdException failure = Failed(exception, member);
                if (failure.Failure != EtcdFailure.TokenGone || isAgain)
                {
                    throw failure;
                }
            }
            catch (RpcException exception) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(exception.Message, exception, cancellationToken);
            }
        }
    }

    private async Task<EtcdStream<TRequest, TResponse>> OpenAsync<TRequest, TResponse>(
        Func<EtcdMember, CallOptions, AsyncDuplexStreamingCall<TRequest, TResponse>> open, TimeSpan within, CancellationToken cancellationToken)
    {
        EtcdMember member = _members[Volatile.Read(ref _current)];
        using CancellationTokenSource limit = new(within, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            Metadata headers = await HeadersAsync(member, either.Token).ConfigureAwait(false);
            return new EtcdStream<TRequest, TResponse>(this, member, options => open(member, options), headers, _time);
        }
        catch (Exception exception) when (EtcdException.Covers(exception) && !cancellationToken.IsCancellationRequested)
        {
            throw Failed(exception, member);
        }
    }

    /// <summary>Draws the consequences of a failure: another member, another token.</summary>
    internal EtcdException Failed(Exception exception, EtcdMember member)
    {
        EtcdException failure = EtcdException.Of(exception, member.Endpoint);
        if (failure.Failure == EtcdFailure.TokenGone && _options.User is null)
        {
            failure = new EtcdException(EtcdFailure.Denied, $"{failure.Message}. It asks for a user: set User and Password.", exception);
        }

        switch (failure.Failure)
        {
            case EtcdFailure.Unavailable:
                MoveOn(member);
                break;
            case EtcdFailure.TokenGone:
                ForgetToken();
                break;
        }

        return failure;
    }

    /// <summary>A member without a leader is to say so at once, instead of serving what is old; and
    /// who is asking.</summary>
    private async Task<Metadata> HeadersAsync(EtcdMember member, CancellationToken cancellationToken)
    {
        Metadata headers = new() { { "hasleader", "true" } };
        if (_options.User is not { } user)
        {
            return headers;
        }

        string? token = Volatile.Read(ref _token);
        if (token is null)
        {
            using AsyncUnaryCall<AuthenticateResponse> call = member.Auth.AuthenticateAsync(
                new AuthenticateRequest { Name = user, Password = _options.Password }, new CallOptions([], cancellationToken: cancellationToken));
            token = (await call.ResponseAsync.ConfigureAwait(false)).Token;
            Volatile.Write(ref _token, token);
        }

        headers.Add("token", token);
        return headers;
    }
}
