using System.Net.Sockets;
using Portmap.Rpc.Diagnostics;

namespace Portmap.Rpc.Serving;

/// <summary>The open connections of a server, at most as many as its limit says.</summary>
internal sealed class ConnectionSet(ServerContext context)
{
    /// <summary>Between two attempts to accept when the first failed: out of descriptors, most likely, and nothing but time gives some back.</summary>
    private static readonly TimeSpan s_acceptDelay = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly HashSet<Task> _running = [];
    private bool _isFull;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _running.Count;
            }
        }
    }

    /// <summary>Accepts until the server stops.</summary>
    public async Task AcceptAsync(EndpointListener listener, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                Serve(await listener.Socket.AcceptAsync(stopping).ConfigureAwait(false), stopping);
            }
            catch (Exception e) when (stopping.IsCancellationRequested && e is (OperationCanceledException or ObjectDisposedException or SocketException))
            {
                return;
            }
            catch (SocketException e)
            {
                Log.AcceptFailed(context.Logger, e, listener.Endpoint);
                await Task.Delay(s_acceptDelay, context.TimeProvider, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Waits until every connection has ended; they do so because the server stops.</summary>
    public Task EndAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(_running);
        }
    }

    private void Serve(Socket socket, CancellationToken stopping)
    {
        lock (_gate)
        {
            if (_running.Count >= context.Limits.Connections)
            {
                if (!_isFull)
                {
                    _isFull = true;
                    Log.ConnectionLimitReached(context.Logger, _running.Count);
                }

                socket.Dispose();
                return;
            }

            _isFull = false;
            Task serving = ServeAsync(socket, stopping);
            _running.Add(serving);
            _ = serving.ContinueWith(Remove, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    private async Task ServeAsync(Socket socket, CancellationToken stopping)
    {
        // Off the accept loop at once, and out of its lock.
        await Task.Yield();
        try
        {
            if (socket.AddressFamily != AddressFamily.Unix)
            {
                socket.NoDelay = true;
            }

            using var connection = new RpcConnection(context, new NetworkStream(socket, ownsSocket: true), Peer.Of(socket), stopping);
            await connection.RunAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            // Gone before we could ask who it was.
            Log.ConnectionBroke(context.Logger, "a peer", e.Message);
            socket.Dispose();
        }
    }

    private void Remove(Task serving)
    {
        lock (_gate)
        {
            _running.Remove(serving);
        }
    }
}
