using System.Buffers;
using System.Net.Sockets;
using Portmap.Native;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Peers;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Serving;

/// <summary>
/// One connection from accept to end: reads records, answers each in its turn, and gives the
/// registry's sessions back when it is over.
/// </summary>
/// <remarks>
/// <para>One loop reads and answers, so calls of one connection come one after the other and need
/// no lock. The loop does not read on before its answers are written: a client that reads none is
/// read no more, and costs the kernel's two socket buffers and one of ours. The only thing beside
/// the loop are long polls, which write their answers by themselves; whoever writes holds the gate,
/// and a poll makes its answer only when it has the gate.</para>
/// <para>The loop never looks at the clock. It marks what it waits for, and a timer of the whole
/// server ends what waits too long.</para>
/// </remarks>
internal sealed partial class RpcConnection : IDisposable
{
    private const int ReadBytes = 4_096;

    /// <summary>
    /// What is borrowed to read into as long as a peer sends more than <see cref="ReadBytes"/> at
    /// once.
    /// </summary>
    private const int ReadManyBytes = 32_768;

    /// <summary>
    /// Answers are collected up to this and then written, even if more calls have been read
    /// already.
    /// </summary>
    private const int WriteBytes = 32_768;

    /// <summary>
    /// How often it reads before it leaves its thread to others: of a peer that floods it neither a
    /// read nor a write has to wait.
    /// </summary>
    private const int ReadsInTurn = 64;

    private readonly ServerContext _context;
    private readonly ProgramTable _programs;
    private readonly Stream _stream;
    private readonly CancellationTokenSource _ended;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly XdrWriter _out = new();
    private readonly RpcCall _call;
    private WaitMark _reading;
    private WaitMark _writing;
    private long? _began;   // when the call that is answered now was read, for who times it
    private int _pending;
    private bool _isWorking;   // a program is waited for, so nobody reads, and an end is not seen
    private bool _isAborted;

    public RpcConnection(ServerContext context, ProgramTable programs, Stream stream, Peer peer, CancellationToken stopping)
    {
        _context = context;
        _programs = programs;
        _stream = stream;
        Peer = peer;
        Sessions = new ConnectionSessions(context, peer, StopReading);
        _call = new RpcCall(_out, () => peer.ProcessId > 0 && peer.HasItsNumber == true ? peer.ProcessId : null, () => peer.MayChange);
        _ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
    }

    public Peer Peer { get; }

    public ConnectionSessions Sessions { get; }

    /// <summary>The listings that are read over it.</summary>
    public ListingReader ListingReader { get; } = new();

    public IReadOnlyList<RpcProgram> Programs => _programs.Programs;

    /// <summary>
    /// Serves until the peer leaves, what it says makes no sense, it waits or has others wait too
    /// long, or the server stops. Does not throw.
    /// </summary>
    public async Task RunAsync()
    {
        try
        {
            await ServeAsync(new RecordAssembler(_context.Limits.RecordBytes)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // It vanished, or we are stopping: a brick exits right after it has written its
            // sign-out.
            Log.ConnectionBroke(_context.Logger, Peer.Name, e.Message);
        }
        catch (Exception e)
        {
            Log.ConnectionFailed(_context.Logger, e, Peer.Name);
        }
        finally
        {
            await EndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// To be called after <see cref="RunAsync"/>. The gate is left to a long poll that may still be
    /// on its way out; it holds nothing.
    /// </summary>
    public void Dispose() => _ended.Dispose();

    /// <summary>
    /// Ends the connection if it waits for its peer longer than the limits say, or has a program
    /// work for a peer that is gone. Called by the server's timer, one call at a time.
    /// </summary>
    public void Inspect()
    {
        ServerLimits limits = _context.Limits;
        if (_isAborted)
        {
            return;
        }

        if (Volatile.Read(ref _isWorking) && HasHungUp())
        {
            Abort();
            return;
        }

        if (_writing.Elapsed(_context.TimeProvider, counts: true, out WaitKind kind) >= limits.Record && kind == WaitKind.Taking)
        {
            _context.LimitLog.AnswersNotRead(Peer);
            Abort();
            return;
        }

        TimeSpan elapsed = _reading.Elapsed(_context.TimeProvider, counts: _reading.Kind != WaitKind.Call || Volatile.Read(ref _pending) == 0, out kind);
        if (kind == WaitKind.RestOfRecord && elapsed >= limits.Record)
        {
            _context.LimitLog.RecordTimedOut(Peer);
            Abort();
        }
        else if (kind == WaitKind.Call && limits.Idle != Timeout.InfiniteTimeSpan && elapsed >= limits.Idle)
        {
            _context.LimitLog.IdleTimedOut(Peer);
            Abort();
        }
    }

    private async Task ServeAsync(RecordAssembler assembler)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ReadBytes);
        try
        {
            for (int reads = 1; ; reads++)
            {
                if (reads % ReadsInTurn == 0)
                {
                    await Task.Yield();
                }

                MarkReading(assembler);
                int count = await _stream.ReadAsync(buffer, _ended.Token).ConfigureAwait(false);
                MarkServing(isComplete: false);
                if (count == 0)
                {
                    if (!assembler.IsBetweenRecords)
                    {
                        Log.HalfRecord(_context.Logger, Peer.Name);
                    }

                    return;
                }

                var input = new ArraySegment<byte>(buffer, 0, count);
                RecordStatus status;
                while ((status = assembler.Read(ref input, out ArraySegment<byte> record)) == RecordStatus.Complete)
                {
                    MarkServing(isComplete: true);
                    ValueTask<bool> answered = AnswerAsync(record);
                    bool goOn = answered.IsCompletedSuccessfully ? answered.Result : await answered.ConfigureAwait(false);
                    if (!goOn)
                    {
                        await FlushAsync().ConfigureAwait(false);
                        return;
                    }

                    if (_out.Count >= WriteBytes)
                    {
                        await FlushAsync().ConfigureAwait(false);
                    }
                }

                await FlushAsync().ConfigureAwait(false);
                if (status == RecordStatus.TooLong)
                {
                    _context.LimitLog.RecordTooLong(Peer);
                    return;
                }

                buffer = Resize(buffer, count);
            }
        }
        finally
        {
            // A read that was cancelled is over when it has thrown, so nobody writes into the
            // buffer any more.
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // A record that was begun keeps its time while its bytes trickle in. A connection that holds
    // registrations may be silent for ever.
    private void MarkReading(RecordAssembler assembler)
    {
        WaitKind kind = !assembler.IsBetweenRecords ? WaitKind.RestOfRecord : Sessions.IsEmpty ? WaitKind.Call : WaitKind.None;
        if (kind != _reading.Kind)
        {
            _reading.Begin(kind);
        }
    }

    // While we serve, however long that takes, the peer has nobody wait.
    private void MarkServing(bool isComplete)
    {
        if (_reading.Kind == WaitKind.Call || (isComplete && _reading.Kind == WaitKind.RestOfRecord))
        {
            _reading.Begin(WaitKind.None);
        }
    }

    // Few peers send more than a buffer at once, and thousands send nothing: only the few get a
    // large one, for as long as they fill it.
    private static byte[] Resize(byte[] buffer, int count)
    {
        bool isLarge = buffer.Length >= ReadManyBytes;
        if (isLarge ? count >= ReadBytes : count < buffer.Length)
        {
            return buffer;
        }

        ArrayPool<byte>.Shared.Return(buffer);
        return ArrayPool<byte>.Shared.Rent(isLarge ? ReadBytes : ReadManyBytes);
    }

    private ValueTask FlushAsync() => _out.Count == 0 ? ValueTask.CompletedTask : FlushOutAsync();

    private async ValueTask FlushOutAsync()
    {
        await _gate.WaitAsync(_ended.Token).ConfigureAwait(false);
        try
        {
            await WriteAsync(_out).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// Writes, holding the gate. A write that fails keeps the buffer from the pool: the kernel may
    /// be reading it still.
    /// </summary>
    private async ValueTask WriteAsync(XdrWriter writer)
    {
        ValueTask writing = _stream.WriteAsync(writer.Written, _ended.Token);
        if (writing.IsCompletedSuccessfully)
        {
            await writing.ConfigureAwait(false);
        }
        else
        {
            _writing.Begin(WaitKind.Taking);
            await writing.ConfigureAwait(false);
            _writing.Begin(WaitKind.None);
        }

        writer.Clear();
    }

    /// <summary>
    /// Serves what has arrived, and ends. Called by any thread, also when it has ended already.
    /// </summary>
    private void StopReading()
    {
        try
        {
            if (_stream is NetworkStream { Socket: { } socket })
            {
                socket.Shutdown(SocketShutdown.Receive);
            }
            else
            {
                Abort();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It ended meanwhile.
        }
    }

    private bool HasHungUp()
    {
        try
        {
            return OperatingSystem.IsLinux() && _stream is NetworkStream { Socket: { } socket } && Posix.HasHungUp(socket.SafeHandle);
        }
        catch (ObjectDisposedException)
        {
            return false;   // it ended meanwhile
        }
    }

    private void Abort()
    {
        _isAborted = true;
        try
        {
            _ = _ended.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It ended meanwhile.
        }
    }

    private async ValueTask EndAsync()
    {
        try
        {
            _context.Listings.Drop(ListingReader);
            Task cancelled = _ended.CancelAsync();
            await cancelled.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                await Sessions.DisposeAsync().ConfigureAwait(false);
            }
            finally
            {
                await _stream.DisposeAsync().ConfigureAwait(false);
            }

            await cancelled.ConfigureAwait(false);   // what a program of the host throws in it is told
        }
        catch (Exception e)
        {
            // The registry is gone before its server, or the stream was closed under it; there is
            // nothing left to end.
            Log.ConnectionFailed(_context.Logger, e, Peer.Name);
        }
    }
}
