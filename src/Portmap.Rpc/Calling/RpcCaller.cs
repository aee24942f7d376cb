using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Calling;

/// <summary>
/// The caller's end of one connection: any number of calls under way, matched with their answers by
/// xid.
/// </summary>
internal sealed class RpcCaller : IAsyncDisposable
{
    /// <summary>
    /// No answer of our own programs is longer than the server's record limit; this is that limit's
    /// upper bound.
    /// </summary>
    private const int MaxReplyBytes = 16 * 1_048_576;

    private readonly Stream _stream;
    private readonly PortmapEndpoint _peer;
    private readonly TimeSpan _callTimeout;
    private readonly TimeProvider _timeProvider;
    private readonly ConcurrentDictionary<uint, PendingCall> _pending = new();
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly XdrWriter _out = new();
    private readonly CancellationTokenSource _closed = new(), _ended = new();
    private readonly Task _reading;
    private uint _xid;
    private int _isDisposed;
    private Exception? _end;   // the first reason counts

    /// <param name="stream">A connected stream, which is closed with this object.</param>
    /// <param name="peer">Whom it leads to, for messages.</param>
    /// <param name="options">How long a call may take, and by which clock.</param>
    public RpcCaller(Stream stream, PortmapEndpoint peer, PortmapClientOptions options)
    {
        _stream = stream;
        _peer = peer;
        _callTimeout = options.CallTimeout;
        _timeProvider = options.TimeProvider;
        Closed = _closed.Token;
        _reading = ReadAsync();
    }

    /// <summary>Completes when the connection has ended, for whatever reason.</summary>
    public Task Ended => _reading;

    /// <summary>Fires when its owner closes it, and not when it breaks.</summary>
    public CancellationToken Closed { get; }

    /// <summary>What fires when the limit of one call is over, from now on.</summary>
    public CancellationTokenSource BeginLimit() => new(_callTimeout, _timeProvider);

    /// <summary>Asks for nothing.</summary>
    public Task PingAsync(CancellationToken cancellationToken) => PingAsync(longPoll: TimeSpan.Zero, cancellationToken);

    /// <summary>Asks for nothing, and waits until the token fires: how long a daemon may take
    /// before it counts as one that serves is another limit than that of a call.</summary>
    public Task FirstPingAsync(CancellationToken cancellationToken) => PingAsync(Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Calls a procedure that is answered with a result or with a refusal.</summary>
    /// <inheritdoc cref="CallAsync{T}"/>
    /// <exception cref="PortRefusedException">The daemon refused.</exception>
    public Task<T> AskAsync<T>(
        uint procedure, Action<XdrWriter> arguments, Decode<T> decode, CancellationToken cancellationToken, TimeSpan longPoll = default) => CallAsync(
        procedure,
        arguments,
        (ref XdrReader reader) => reader.ReadInt32() switch
        {
            PortmapProcedure.Ok => decode(ref reader),
            PortmapProcedure.Refused => throw new PortRefusedException(PortmapXdr.ReadRefusal(ref reader)),
            int other => throw new InvalidDataException($"{other} is neither a result nor a refusal."),
        },
        cancellationToken,
        longPoll);

    /// <summary>Calls and waits for the answer, at most for the limit of a call.</summary>
    /// <param name="procedure">The procedure.</param>
    /// <param name="arguments">Writes its arguments.</param>
    /// <param name="decode">Reads its results.</param>
    /// <param name="cancellationToken">Ends the wait for the answer, not what was asked
    /// for.</param>
    /// <param name="longPoll">How long the daemon itself may take before it answers, beyond the
    /// limit of a call; <see cref="Timeout.InfiniteTimeSpan"/> sets no limit.</param>
    /// <exception cref="PortmapUnreachableException">No answer came in time; whether the call took
    /// effect is not known.</exception>
    /// <exception cref="IOException">The connection has ended before the answer came, or the daemon
    /// failed in the call; whether the call took effect is not known.</exception>
    /// <exception cref="InvalidDataException">The answer makes no sense, or the server does not
    /// know what is called.</exception>
    public async Task<T> CallAsync<T>(
        uint procedure, Action<XdrWriter> arguments, Decode<T> decode, CancellationToken cancellationToken, TimeSpan longPoll = default)
    {
        uint xid = Interlocked.Increment(ref _xid);
        var call = new PendingCall<T>(decode);
        _pending[xid] = call;

        // Registered first, looked at second, as the end sets its reason first and fails all
        // registered ones second: one of both sees the other.
        if (Volatile.Read(ref _end) is { } end)
        {
            call.Fail(Broken(end));
        }

        TimeSpan within = _callTimeout == Timeout.InfiniteTimeSpan || longPoll == Timeout.InfiniteTimeSpan ? Timeout.InfiniteTimeSpan : _callTimeout + longPoll;
        using CancellationTokenSource limit = new(within, _timeProvider);
        using CancellationTokenRegistration late = limit.Token.UnsafeRegister(_ => call.Fail(TimedOut(procedure, within)), null);
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((PendingCall<T>)state!).Cancel(token), call);
        try
        {
            try
            {
                if (!call.Task.IsCompleted)
                {
                    await SendAsync(xid, procedure, arguments, cancellationToken, limit.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                call.Fail(TimedOut(procedure, within));   // it waited for its turn to be sent
            }
            catch (IOException e)
            {
                call.Fail(e);
            }

            return await call.Task.ConfigureAwait(false);
        }
        finally
        {
            _pending.TryRemove(xid, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        await _closed.CancelAsync().ConfigureAwait(false);
        await _ended.CancelAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
        await _reading.ConfigureAwait(false);
        _ended.Dispose();
        _closed.Dispose();
    }

    private Task<bool> PingAsync(TimeSpan longPoll, CancellationToken cancellationToken) =>
        CallAsync(PortmapProcedure.Null, static _ => { }, static (ref XdrReader _) => true, cancellationToken, longPoll);

    private async Task SendAsync(uint xid, uint procedure, Action<XdrWriter> arguments, CancellationToken cancellationToken, CancellationToken limit)
    {
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit))
        {
            await _gate.WaitAsync(either.Token).ConfigureAwait(false);
        }

        // Who gives up goes. The write goes on: half a record would take the connection's other
        // calls with it.
        if (await WriteAsync(xid, procedure, arguments).WaitAsync(cancellationToken).ConfigureAwait(false) is { } broken)
        {
            throw broken;
        }
    }

    /// <summary>Writes one record, and leaves the gate. A daemon that takes nothing for the whole
    /// limit of a call ends the connection.</summary>
    /// <returns>Null, or why it could not be written.</returns>
    private async Task<IOException?> WriteAsync(uint xid, uint procedure, Action<XdrWriter> arguments)
    {
        try
        {
            _out.Clear();
            int start = RpcMessage.BeginCall(_out, xid, PortmapProcedure.Program, PortmapProcedure.Version, procedure);
            arguments(_out);
            _out.EndRecord(start);

            ValueTask writing = _stream.WriteAsync(_out.Written, _ended.Token);
            if (writing.IsCompleted)
            {
                await writing.ConfigureAwait(false);
                return null;
            }

            using CancellationTokenSource limit = BeginLimit();
            using CancellationTokenRegistration stuck = limit.Token.UnsafeRegister(
                static state => ((RpcCaller)state!).End(new TimeoutException("the daemon did not take what was sent to it")), this);
            await writing.ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            return Broken(Volatile.Read(ref _end) ?? e);
        }
        finally
        {
            _gate.Release();
        }
    }

    private void End(Exception reason)
    {
        Interlocked.CompareExchange(ref _end, reason, null);
        try
        {
            _ended.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It was closed meanwhile.
        }
    }

    private async Task ReadAsync()
    {
        Exception end;
        try
        {
            await ReadRepliesAsync().ConfigureAwait(false);
            end = new EndOfStreamException("the daemon closed it");
        }
        catch (Exception e)
        {
            end = e;
        }

        end = Interlocked.CompareExchange(ref _end, end, null) ?? end;
        foreach (PendingCall call in _pending.Values)
        {
            call.Fail(Broken(end));
        }
    }

    private async Task ReadRepliesAsync()
    {
        byte[] buffer = new byte[8_192];
        var assembler = new RecordAssembler(MaxReplyBytes);
        while (true)
        {
            int count = await _stream.ReadAsync(buffer, _ended.Token).ConfigureAwait(false);
            if (count == 0)
            {
                return;
            }

            var input = new ArraySegment<byte>(buffer, 0, count);
            RecordStatus status;
            while ((status = assembler.Read(ref input, out ArraySegment<byte> record)) == RecordStatus.Complete)
            {
                Accept(record);
            }

            if (status == RecordStatus.TooLong)
            {
                throw new InvalidDataException($"an answer is longer than {MaxReplyBytes} bytes");
            }
        }
    }

    private void Accept(ArraySegment<byte> record)
    {
        var reader = new XdrReader(record);
        uint xid = reader.ReadUInt32();
        if (reader.ReadUInt32() != RpcMessage.Reply)
        {
            throw new InvalidDataException("it sent something that is not a reply");
        }

        // An answer that nobody waits for any more belongs to a call that was cancelled.
        if (!_pending.TryRemove(xid, out PendingCall? call))
        {
            return;
        }

        try
        {
            if (ReplyHeader.Complaint(ref reader, out bool hasFailed) is { } complaint)
            {
                call.Fail(hasFailed
                    ? new CallFailedException($"The daemon at {_peer} {complaint}; whether it took effect is not known. Its log says why (ProgramFailed).")
                    : new InvalidDataException($"{_peer} {complaint}; perhaps it is not a daemon of this version."));
                return;
            }
        }
        catch (InvalidDataException e)
        {
            call.Fail(e);
            return;
        }

        call.Complete(ref reader);
    }

    private PortmapUnreachableException TimedOut(uint procedure, TimeSpan within) => new(
        _peer,
        string.Create(CultureInfo.InvariantCulture, $"The daemon at {_peer} has not answered {PortmapProcedure.NameOf(procedure)} within {within.TotalSeconds:0.###} s (CallTimeout); whether it took effect is not known. The daemon is stopped, or it waits for its disk."),
        new TimeoutException());

    private IOException Broken(Exception end) =>
        new($"The connection to {_peer} has ended ({(end is ObjectDisposedException or OperationCanceledException ? "it was closed here" : end.Message)}); connect again.", end);
}
