using System.Buffers.Binary;
using System.Net.Sockets;

namespace Portmap.Tool.Tests;

/// <summary>Stands at a socket in the place of a daemon, hears each call, and answers it or has the
/// daemon behind it answer.</summary>
internal sealed class Between : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _end = new();
    private readonly Func<uint, Task<byte[]?>> _answer;
    private readonly string? _daemon;
    private readonly Task _accepting;

    /// <param name="path">Where it stands.</param>
    /// <param name="answer">What it answers to a procedure; null leaves it to the daemon.</param>
    /// <param name="daemon">The daemon's socket.</param>
    public Between(string path, Func<uint, Task<byte[]?>> answer, string? daemon = null)
    {
        (_answer, _daemon) = (answer, daemon);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

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
                serving.Add(ServeAsync(await _listener.AcceptAsync(_end.Token)));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Socket caller)
    {
        using Socket daemon = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await using NetworkStream calls = new(caller, ownsSocket: true);
        try
        {
            while (true)
            {
                byte[] call = await ReadAsync(calls);
                byte[]? results = await _answer(BinaryPrimitives.ReadUInt32BigEndian(call.AsSpan(20))).WaitAsync(_end.Token);
                if (results is not null)
                {
                    await WriteAsync(calls, [.. call[..4], 0, 0, 0, 1, .. new byte[16], .. results]);   // RFC 5531: accepted, no verifier, success
                    continue;
                }

                if (!daemon.Connected)
                {
                    await daemon.ConnectAsync(new UnixDomainSocketEndPoint(_daemon!), _end.Token);
                }

                await using NetworkStream answers = new(daemon);
                await WriteAsync(answers, call);
                await WriteAsync(calls, await ReadAsync(answers));
            }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException)
        {
            // The caller has gone, or the test is over.
        }
    }

    private async Task<byte[]> ReadAsync(NetworkStream stream)
    {
        byte[] mark = new byte[4];
        await stream.ReadExactlyAsync(mark, _end.Token);
        byte[] record = new byte[BinaryPrimitives.ReadUInt32BigEndian(mark) & 0x7FFF_FFFF];
        await stream.ReadExactlyAsync(record, _end.Token);
        return record;
    }

    private async Task WriteAsync(NetworkStream stream, byte[] record)
    {
        byte[] marked = [0, 0, 0, 0, .. record];
        BinaryPrimitives.WriteUInt32BigEndian(marked, 0x8000_0000 | (uint)record.Length);
        await stream.WriteAsync(marked, _end.Token);
    }
}
