using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Portmap.Etcd.Tests.Support;

/// <summary>The wire between a host and etcd, which a test can cut: what goes over it is forwarded,
/// or nothing is, or what the host says is kept and comes late.</summary>
internal sealed class Cut : IAsyncDisposable
{
    private readonly IPEndPoint _server;
    private readonly Socket _listener;
    private readonly ConcurrentDictionary<Socket, bool> _sockets = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private readonly MemoryStream _kept = new();
    private Socket? _keptFor;
    private volatile bool _isCut;
    private volatile bool _isKeeping;
    private volatile bool _isSealed;
    private volatile bool _hidesQuestions;
    private (string Question, string Answer)? _last;
    private volatile bool _isAnswered;
    private int _answered;
    private int _hidden;

    public Cut(string endpoint)
    {
        Uri server = new(endpoint);
        _server = new IPEndPoint(IPAddress.Parse(server.Host), server.Port);
        IPEndPoint here = new(PortBlock.TakeLoopback(), PortBlock.TakeOne());
        Endpoint = $"http://{here}";
        _listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(here);
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    public string Endpoint { get; }

    /// <summary>Breaks what is open, and lets nobody in.</summary>
    public void Break()
    {
        _isCut = true;
        foreach (Socket socket in _sockets.Keys)
        {
            socket.Dispose();
        }
    }

    public void Mend() => _isCut = false;

    /// <summary>Whether nobody gets in.</summary>
    public bool IsCut => _isCut;

    /// <summary>Breaks instead of telling etcd the first question with a text that comes after an
    /// answer with another one.</summary>
    public void BreakAtTheNext(string question, string after) => _last = (question, after);

    /// <summary>How many questions for the progress of a watch etcd was not told of.</summary>
    public int HiddenQuestions => Volatile.Read(ref _hidden);

    /// <summary>Etcd hears no question for the progress of a watch over connections that are made
    /// from now on.</summary>
    public void HideQuestions() => _hidesQuestions = true;

    /// <summary>Etcd hears all questions again.</summary>
    public void TellQuestions() => _hidesQuestions = false;

    /// <summary>From now on what the host says is kept.</summary>
    public void Keep() => _isKeeping = true;

    /// <summary>Whether something with this text is kept.</summary>
    public bool HasKept(string text)
    {
        lock (_kept)
        {
            return Has(_kept.GetBuffer().AsSpan(0, (int)_kept.Length), text);
        }
    }

    /// <summary>What the host says from now on is lost, that it gave up waiting for
    /// instance.</summary>
    public void Seal() => _isSealed = true;

    /// <summary>Etcd hears what was kept; completes when it has answered.</summary>
    public async Task TellLateAsync()
    {
        int answered = Volatile.Read(ref _answered);
        byte[] kept;
        lock (_kept)
        {
            kept = _kept.ToArray();
        }

        await _keptFor!.SendAsync(kept, _stop.Token);
        await Seen.UntilAsync(() => Volatile.Read(ref _answered) > answered);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        Break();
        await _accepting.Within();
        _stop.Dispose();
    }

    private static bool Has(ReadOnlySpan<byte> said, string text) => said.IndexOf(System.Text.Encoding.UTF8.GetBytes(text)) >= 0;

    private bool IsTheLast(ReadOnlySpan<byte> said)
    {
        if (!_isAnswered || _last is not { } last || !Has(said, last.Question))
        {
            return false;
        }

        (_last, _isAnswered) = (null, false);
        return true;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket client = await _listener.AcceptAsync(_stop.Token);
                if (_isCut)
                {
                    client.Dispose();
                    continue;
                }

                _ = ForwardAsync(client);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }

    private async Task ForwardAsync(Socket client)
    {
        using Socket server = new(SocketType.Stream, ProtocolType.Tcp);
        using Socket mine = client;
        _sockets[client] = _sockets[server] = true;
        try
        {
            if (_isCut)
            {
                return;   // it may have been listed after Break had gone through the list
            }

            await server.ConnectAsync(_server, _stop.Token);
            client.NoDelay = server.NoDelay = true;
            await Task.WhenAny(PumpAsync(client, server, isOfHost: true), PumpAsync(server, client, isOfHost: false));
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Nobody there.
        }
        finally
        {
            _sockets.TryRemove(client, out _);
            _sockets.TryRemove(server, out _);
        }
    }

    private void Note(ReadOnlySpan<byte> said, Socket server)
    {
        lock (_kept)
        {
            if (!_isSealed)
            {
                _kept.Write(said);
                _keptFor = server;
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to, bool isOfHost)
    {
        byte[] buffer = new byte[65_536];
        HostFrames? frames = isOfHost && _hidesQuestions ? new HostFrames() : null;
        try
        {
            int read;
            while ((read = await from.ReceiveAsync(buffer, _stop.Token)) > 0)
            {
                if (isOfHost && _isKeeping)
                {
                    Note(buffer.AsSpan(0, read), to);
                    continue;
                }

                if (isOfHost && IsTheLast(buffer.AsSpan(0, read)))
                {
                    Break();
                    return;
                }

                ReadOnlyMemory<byte> said = buffer.AsMemory(0, read);
                if (frames is not null)
                {
                    said = frames.Pass(said.Span, _hidesQuestions, out int hidden);
                    Interlocked.Add(ref _hidden, hidden);
                }

                if (!isOfHost && _last is { } last && Has(said.Span, last.Answer))
                {
                    _isAnswered = true;
                }

                await to.SendAsync(said, _stop.Token);
                if (!isOfHost)
                {
                    Interlocked.Increment(ref _answered);
                }
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Cut.
        }
    }
}
