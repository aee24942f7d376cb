using System.Net.Sockets;
using System.Runtime.InteropServices;
using Portmap.Rpc.Diagnostics;

namespace Portmap.Rpc.Serving;

/// <summary>The open connections of a server: no more than its limits say, of all peers and of each, and none that waits for ever.</summary>
internal sealed class ConnectionSet : IDisposable
{
    /// <summary>Between two attempts to accept when the first failed: out of descriptors, most likely, and nothing but time gives some back.</summary>
    private static readonly TimeSpan s_acceptDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>Between two looks at what connections wait for, at most.</summary>
    private static readonly TimeSpan s_longestPeriod = TimeSpan.FromSeconds(1);

    private readonly ServerContext _context;
    private readonly CancellationToken _stopping;
    private readonly Lock _gate = new();
    private readonly Dictionary<RpcConnection, Task> _open = [];
    private readonly Dictionary<string, int> _ofPeer = [];
    private readonly ITimer _timer;

    public ConnectionSet(ServerContext context, CancellationToken stopping)
    {
        _context = context;
        _stopping = stopping;
        ServerLimits limits = context.Limits;
        TimeSpan period = (limits.Idle == Timeout.InfiniteTimeSpan || limits.Record < limits.Idle ? limits.Record : limits.Idle) / 4;
        period = period < s_longestPeriod ? period : s_longestPeriod;
        _timer = context.TimeProvider.CreateTimer(static set => ((ConnectionSet)set!).Inspect(), this, period, period);
    }

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _open.Count;
            }
        }
    }

    /// <summary>Accepts until the server stops.</summary>
    public async Task AcceptAsync(EndpointListener listener)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                Serve(await listener.Socket.AcceptAsync(_stopping).ConfigureAwait(false));
            }
            catch (Exception e) when (_stopping.IsCancellationRequested && e is (OperationCanceledException or ObjectDisposedException or SocketException))
            {
                return;
            }
            catch (SocketException e)
            {
                _context.LimitLog.AcceptFailed(e, listener.Endpoint);
                await Task.Delay(s_acceptDelay, _context.TimeProvider, _stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Serves a connection, which is closed when a limit is reached.</summary>
    /// <returns>Its end; null when it was closed.</returns>
    public Task? Serve(Stream stream, Peer peer)
    {
        lock (_gate)
        {
            if (_open.Count >= _context.Limits.Connections)
            {
                _context.LimitLog.ConnectionLimitReached();
            }
            else if (_ofPeer.GetValueOrDefault(peer.Origin) >= _context.Limits.ConnectionsPerPeer)
            {
                _context.LimitLog.PeerLimitReached(peer);
            }
            else
            {
                var connection = new RpcConnection(_context, stream, peer, _stopping);
                CollectionsMarshal.GetValueRefOrAddDefault(_ofPeer, peer.Origin, out _)++;
                Task serving = ServeAsync(connection);
                _open.Add(connection, serving);
                return serving;
            }
        }

        stream.Dispose();
        return null;
    }

    /// <summary>Waits until every connection has ended; they do so because the server stops.</summary>
    public Task EndAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(_open.Values);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Serve(Socket socket)
    {
        try
        {
            if (socket.AddressFamily != AddressFamily.Unix)
            {
                socket.NoDelay = true;
            }

            Serve(new NetworkStream(socket, ownsSocket: true), _context.Trust.Identify(socket));
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            // Gone before we could ask who it was.
            Log.ConnectionBroke(_context.Logger, "a peer", e.Message);
            socket.Dispose();
        }
    }

    private async Task ServeAsync(RpcConnection connection)
    {
        // Off the accept loop at once, and out of its lock.
        await Task.Yield();
        using (connection)
        {
            await connection.RunAsync().ConfigureAwait(false);
        }

        lock (_gate)
        {
            _open.Remove(connection);
            if (--CollectionsMarshal.GetValueRefOrNullRef(_ofPeer, connection.Peer.Origin) == 0)
            {
                _ofPeer.Remove(connection.Peer.Origin);
            }
        }
    }

    private void Inspect()
    {
        lock (_gate)
        {
            foreach (RpcConnection connection in _open.Keys)
            {
                connection.Inspect();
            }
        }
    }
}
