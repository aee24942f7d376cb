using System.Net.Sockets;

namespace Portmap.Rpc;

#pragma warning disable CA1822, CS9113, CS1591
/// <summary>A port this process listens on and is signed in for.</summary>
public sealed class WorkerPort : IAsyncDisposable
{
    private WorkerPort() => throw new NotImplementedException();

    public Socket Socket => throw new NotImplementedException();

    public Socket? UdpSocket => throw new NotImplementedException();

    public string Owner => throw new NotImplementedException();

    public int Port => throw new NotImplementedException();

    public long Epoch => throw new NotImplementedException();

    public static Task<WorkerPort> ListenAsync(WorkerPortOptions? options = null, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public static Task<WorkerPort> SignInAsync(Socket listening, WorkerPortOptions? options = null, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}
