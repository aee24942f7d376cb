using System.Buffers.Binary;
using System.Net.Sockets;

namespace Portmap.Rpc.Tests.Working;

/// <summary>A Unix socket between workers and a daemon that breaks or answers as a test says,
/// connection by connection, and relays the others.</summary>
internal sealed class LineToDaemon : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _end = new();
    private readonly string _daemon;
    private readonly Func<int, Fault> _faultOf;
    private readonly Task _accepting;
    private readonly TaskCompletionSource _held = new(TaskCreationOptions.RunContinuationsAsynchronously), _letGo = new(TaskCreationOptions.RunContinuationsAsynchronously), _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _connections;
    private volatile bool _holds;
    private volatile int _heldUntil;

    /// <param name="path">Where workers connect.</param>
    /// <param name="daemon">The daemon's own socket.</param>
    /// <param name="faultOf">What happens to the n-th connection, from 1 on.</param>
    public LineToDaemon(string path, string daemon, Func<int, Fault> faultOf)
    {
        _daemon = daemon;
        _faultOf = faultOf;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(64);
        _accepting = AcceptAsync();
    }

    /// <summary>What happens to a connection.</summary>
    public enum Fault
    {
        /// <summary>All is passed on, both ways.</summary>
        None,

        /// <summary>Closed when it is accepted.</summary>
        ClosesAtOnce,

        /// <summary>The first call is answered; at the second one it is closed, and the daemon
        /// never sees it.</summary>
        ClosesAtTheSecondCall,

        /// <summary>The second call reaches the daemon, and its answer never comes.</summary>
        LosesTheSecondAnswer,

        /// <summary>The second call waits on its way to the daemon for the third one, or to be let
        /// go.</summary>
        HoldsTheSecondCall,

        /// <summary>The second call is refused with UnknownStrategy, and the daemon never sees
        /// it.</summary>
        RefusesTheSecondCall,

        /// <summary>Accepted, and nothing is ever said.</summary>
        Silent,

        /// <summary>Each call is answered with a line of HTTP.</summary>
        SpeaksHttp,

        /// <summary>A well-formed reply: the program is not there.</summary>
        ServesAnotherProgram,

        /// <summary>A reply whose record ends in the middle of its header.</summary>
        SaysHalf,

        /// <summary>A record of the longest length there is.</summary>
        SaysTooMuch,
    }

    public int Connections => Volatile.Read(ref _connections);

    /// <summary>From now on calls wait on their way to the daemon.</summary>
    public void HoldCalls() => _holds = true;

    /// <summary>As <see cref="HoldCalls"/>, over the connections that there are.</summary>
    public void HoldCallsOfOpenConnections() => _heldUntil = Connections;

    /// <summary>Completes when a call is held.</summary>
    public Task Held => _held.Task;

    /// <summary>Completes when one side of a connection has closed it. The daemon has seen all that
    /// was sent before.</summary>
    public Task OneEnded => _ended.Task;

    public void LetGo() => _letGo.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        await _accepting.Within();
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> serving = [];
        try
        {
            while (true)
            {
                Socket worker = await _listener.AcceptAsync(_end.Token);
                int number = Interlocked.Increment(ref _connections);
                serving.Add(ServeAsync(worker, number, _faultOf(number)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Socket worker, int number, Fault fault)
    {
        using Socket daemon = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using (worker)
        {
            try
            {
                switch (fault)
                {
                    case Fault.ClosesAtOnce:
                        return;
                    case Fault.Silent:
                        await Task.Delay(Timeout.Infinite, _end.Token);
                        return;
                    case Fault.SpeaksHttp:
                        await AnswerAsync(worker, _ => "HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
                        return;
                    case Fault.ServesAnotherProgram:
                        await AnswerAsync(worker, call => Wire.Record([.. call[4..8], .. Wire.Words(1, 0, 0, 0, 1)]));
                        return;
                    case Fault.SaysHalf:
                        await AnswerAsync(worker, call => Wire.Record([.. call[4..8], .. Wire.Words(1, 0)]));
                        return;
                    case Fault.SaysTooMuch:
                        await AnswerAsync(worker, _ => [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
                        return;
                }

                await daemon.ConnectAsync(new UnixDomainSocketEndPoint(_daemon), _end.Token);
                if (fault == Fault.None)
                {
                    await RelayAsync(worker, daemon, number);
                    return;
                }

                byte[] buffer = new byte[65_536];
                await daemon.SendAsync(await ReadCallAsync(worker), _end.Token);
                await RelayOnceAsync(daemon, worker, buffer);
                byte[] second = await ReadCallAsync(worker);
                if (fault == Fault.LosesTheSecondAnswer)
                {
                    await daemon.SendAsync(second, _end.Token);
                    await daemon.ReceiveAsync(buffer, _end.Token);
                }
                else if (fault == Fault.RefusesTheSecondCall)
                {
                    byte[] refusal = [.. Wire.Words(1, (uint)PortRefusalReason.UnknownStrategy), .. Wire.Text("It knows no such strategy."), .. Wire.Words(0, 0, 0, 0, 0, 0, 0)];
                    await worker.SendAsync(Wire.Record(Wire.Success(BinaryPrimitives.ReadUInt32BigEndian(second.AsSpan(4)), refusal)), _end.Token);
                    await Task.WhenAny(RelayAllAsync(daemon, worker), RelayAllAsync(worker, daemon));
                }
                else if (fault == Fault.HoldsTheSecondCall)
                {
                    Task<byte[]> third = ReadCallAsync(worker);
                    _held.TrySetResult();
                    await Task.WhenAny(third, _letGo.Task).WaitAsync(_end.Token);
                    await daemon.SendAsync(second, _end.Token);
                    Task answers = RelayAllAsync(daemon, worker);
                    await daemon.SendAsync(await third, _end.Token);
                    await Task.WhenAny(answers, RelayAllAsync(worker, daemon));
                }
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException or IOException)
            {
                // One side left.
            }
            finally
            {
                _ended.TrySetResult();
            }
        }
    }

    private async Task AnswerAsync(Socket worker, Func<byte[], byte[]> answer)
    {
        byte[] buffer = new byte[65_536];
        for (int count; (count = await worker.ReceiveAsync(buffer, _end.Token)) > 0;)
        {
            await worker.SendAsync(answer(buffer[..count]), _end.Token);
        }
    }

    /// <summary>One record of one fragment, with its mark: the next call may be on its way
    /// already.</summary>
    private async Task<byte[]> ReadCallAsync(Socket worker)
    {
        await using NetworkStream stream = new(worker, ownsSocket: false);
        byte[] mark = new byte[sizeof(int)];
        await stream.ReadExactlyAsync(mark, _end.Token);
        byte[] call = [.. mark, .. new byte[BinaryPrimitives.ReadInt32BigEndian(mark) & int.MaxValue]];
        await stream.ReadExactlyAsync(call.AsMemory(mark.Length), _end.Token);
        return call;
    }

    private async Task RelayAsync(Socket worker, Socket daemon, int number)
    {
        Task calls = RelayAllAsync(worker, daemon, callsOf: number), answers = RelayAllAsync(daemon, worker);
        if (await Task.WhenAny(calls, answers) == answers || !calls.IsCompletedSuccessfully)
        {
            return;
        }

        daemon.Shutdown(SocketShutdown.Send);
        await answers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // nobody takes them any more
        byte[] rest = new byte[65_536];
        while (await daemon.ReceiveAsync(rest, _end.Token) > 0)
        {
        }
    }

    private async Task RelayAllAsync(Socket from, Socket to, int callsOf = 0)
    {
        byte[] buffer = new byte[65_536];
        while (await RelayOnceAsync(from, to, buffer, callsOf))
        {
        }
    }

    private async Task<bool> RelayOnceAsync(Socket from, Socket to, byte[] buffer, int callsOf = 0)
    {
        int count = await from.ReceiveAsync(buffer, _end.Token);
        if (callsOf != 0 && (_holds || callsOf <= _heldUntil))
        {
            _held.TrySetResult();
            await _letGo.Task.WaitAsync(_end.Token);
        }

        if (count > 0)
        {
            await to.SendAsync(buffer.AsMemory(0, count), _end.Token);
        }

        return count > 0;
    }
}
