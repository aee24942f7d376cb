using Grpc.Core;
using Grpc.Net.Client;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Connecting;

/// <summary>One member of etcd and its four services over one connection.</summary>
internal sealed class EtcdMember : IDisposable
{
    // A page of a listing; etcd itself sends no larger one of changes.
    private const int MaxMessageBytes = 64 * 1024 * 1024;

    // gRPC's own wait grows to two minutes, and fails every request meanwhile, also when etcd is
    // back; our loops have waits of their own.
    private static readonly TimeSpan s_reconnect = TimeSpan.FromMilliseconds(200);

    private readonly GrpcChannel _channel;

    public EtcdMember(Uri endpoint, PortmapFleetOptions options)
    {
        Endpoint = endpoint;
        _channel = GrpcChannel.ForAddress(endpoint, new GrpcChannelOptions
        {
            HttpHandler = EtcdTls.Handler(options),
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MaxMessageBytes,
            InitialReconnectBackoff = s_reconnect,
            MaxReconnectBackoff = s_reconnect,
        });
        Invoker = _channel.CreateCallInvoker();
        Kv = new KV.KVClient(Invoker);
        Watch = new Watch.WatchClient(Invoker);
        Lease = new Lease.LeaseClient(Invoker);
        Auth = new Auth.AuthClient(Invoker);
    }

    public Uri Endpoint { get; }

    /// <summary>For calls whose answers are read in another way than by generated
    /// messages.</summary>
    public CallInvoker Invoker { get; }

    public KV.KVClient Kv { get; }

    public Watch.WatchClient Watch { get; }

    public Lease.LeaseClient Lease { get; }

    public Auth.AuthClient Auth { get; }

    public void Dispose() => _channel.Dispose();
}
