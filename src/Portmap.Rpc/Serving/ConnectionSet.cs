using System.Net.Sockets;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Serving;

/// <summary>
/// The open connections of a server: no more than its limits say, of all peers and of each, and
/// none that waits for ever.
/// </summary>
internal sealed class ConnectionSet : IDisposable
{
    /// <summary>Between two attempts to accept when the first failed.</summary>
    private static readonly TimeSpan s_acceptDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>Between two looks at what connections wait for, at most.</summary>
    private static readonly TimeSpan s_longestPeriod = TimeSpan.FromSeconds(1);

    /// <summary>How much of its limit is near it.</summary>
    private const double NearlyAll = 0.9;

    private readonly ServerContext _context;
    private readonly ProgramTable _programs;
    private readonly CancellationToken _stopping;
    private readonly Lock _gate = new();
    private readonly Dictionary<RpcConnection, Task> _open = [];
    private readonly ConnectionSeats _seats;
    private readonly List<EndpointListener> _listeners = [];
    private readonly SpareDescriptors _spare = new();
    private readonly ITimer _timer;
    private Action? _nearlyFull;

    public ConnectionSet(ServerContext context, ProgramTable programs, CancellationToken stopping)
    {
        _context = context;
        _programs = programs;
        _stopping = stopping;
        ServerLimits limits = context.Limits;
        _seats = new ConnectionSeats(limits);
        TimeSpan period = (limits.Idle == Timeout.InfiniteTimeSpan || limits.Record < limits.Idle ? limits.Record : limits.Idle) / 4;
        period = period < s_longestPeriod ? period : s_longestPeriod;
        _spare.TryTake();
        _timer = context.TimeProvider.CreateTimer(static set => ((ConnectionSet)set!).Inspect(), this, period, period);
    }

    /// <summary>What is done when connections come near their limit for the first time.</summary>
    public Action? NearlyFull { init => _nearlyFull = value; }

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
        lock (_gate)
        {
            _listeners.Add(listener);
        }

        while (!_stopping.IsCancellationRequested)
        {
            Socket listening = listener.Socket;
            try
            {
                Socket accepted = await listening.AcceptAsync(_stopping).ConfigureAwait(false);
                bool isLast = SpareDescriptors.AreLastAfter(accepted.Handle);
                Serve(accepted);
                if (isLast)
                {
                    await PauseAsync("only a few are left", listener).ConfigureAwait(false);
                }
            }
            catch (Exception) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException && !ReferenceEquals(listening, listener.Socket))
            {
                // The file was deleted and made again, with another socket.
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
            {
                await PauseAsync(e.Message, listener).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // Whatever it is, a server that stopped accepting would be found by nobody.
                Report(() => _context.LimitLog.AcceptFailed(e, listener.Endpoint));
                await DelayAsync().ConfigureAwait(false);
            }
        }
    }

    /// <summary>Serves a connection, which is closed when a limit is reached.</summary>
    /// <returns>Its end; null when it was closed.</returns>
    public Task? Serve(Stream stream, Peer peer)
    {
        Admission admission = TrySeat(stream, peer, isKnown: false, out Task? serving);
        if (admission == Admission.WhoIsIt)
        {
            _ = peer.UserId;   // a look at the kernel, outside of the lock
            admission = TrySeat(stream, peer, isKnown: true, out serving);
        }

        switch (admission)
        {
            case Admission.Seated:
                TellNearlyFull();
                return serving;
            case Admission.PeerFull:
                _context.LimitLog.PeerLimitReached(peer);
                break;
            default:
                _context.LimitLog.ConnectionLimitReached(peer);
                break;
        }

        stream.Dispose();
        return null;
    }

    private void TellNearlyFull()
    {
        if (_nearlyFull is not null && Count >= NearlyAll * _context.Limits.Connections)
        {
            Interlocked.Exchange(ref _nearlyFull, null)?.Invoke();   // by one thread
        }
    }

    private Admission TrySeat(Stream stream, Peer peer, bool isKnown, out Task? serving)
    {
        lock (_gate)
        {
            serving = null;
            Admission admission = _seats.TryTake(peer, isKnown, out ConnectionSeats.Seat seat);
            if (admission == Admission.Seated)
            {
                var connection = new RpcConnection(_context, _programs, stream, peer, _stopping);
                serving = ServeAsync(connection, seat);
                _open.Add(connection, serving);
            }

            return admission;
        }
    }

    /// <summary>
    /// Waits until every connection has ended; they do so because the server stops.
    /// </summary>
    public Task EndAsync()
    {
        lock (_gate)
        {
            return Task.WhenAll(_open.Values);
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        _spare.Dispose();
    }

    /// <summary>
    /// Until there are descriptors again. Meanwhile the spare ones are free, for this process goes
    /// on serving those that are connected.
    /// </summary>
    private async Task PauseAsync(string reason, EndpointListener listener)
    {
        _spare.Release();
        Report(() => _context.LimitLog.AcceptPaused(listener.Endpoint, reason));
        do
        {
            await DelayAsync().ConfigureAwait(false);
        }
        while (!_stopping.IsCancellationRequested && !_spare.TryTake());
    }

    private async Task DelayAsync() =>
        await Task.Delay(s_acceptDelay, _context.TimeProvider, _stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private static void Report(Action write)
    {
        try
        {
            write();
        }
        catch (Exception)
        {
            // Nothing is left to tell it to.
        }
    }

    private void Serve(Socket socket)
    {
        try
        {
            if (socket.AddressFamily != AddressFamily.Unix)
            {
                TcpSocket.Prepare(socket, _context.Limits.Record);
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

    private async Task ServeAsync(RpcConnection connection, ConnectionSeats.Seat seat)
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
            _seats.Leave(seat);
        }
    }

    private void Inspect()
    {
        EndpointListener[] listeners;
        lock (_gate)
        {
            foreach (RpcConnection connection in _open.Keys)
            {
                connection.Inspect();
            }

            listeners = [.. _listeners];
        }

        foreach (EndpointListener listener in listeners)
        {
            listener.LookAfterFile(_context);
        }
    }
}
