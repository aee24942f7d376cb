using System.Collections.Concurrent;
using System.IO.Pipelines;

namespace Portmap.Rpc.Tests;

/// <summary>Two ends of a connection in memory. Like a socket, each holds back a writer whose
/// reader does not read.</summary>
internal sealed class PairStream(PipeReader reader, PipeWriter writer) : Stream
{
    private readonly Stream _in = reader.AsStream();
    private readonly Stream _out = writer.AsStream();
    private readonly TaskCompletionSource _heldBack = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _bytesRead;
    private long _bytesWritten;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>How much was read from this end.</summary>
    public long BytesRead => Interlocked.Read(ref _bytesRead);

    /// <summary>How large the buffers were that this end was to be read into.</summary>
    public ConcurrentQueue<int> Asked { get; } = new();

    /// <summary>How much was written to this end, taken or not.</summary>
    public long BytesWritten => Interlocked.Read(ref _bytesWritten);

    /// <summary>Completes when a write at this end had to wait for its reader.</summary>
    public Task HeldBack => _heldBack.Task;

    public static (PairStream Client, PairStream Server) Create()
    {
        Pipe there = new(), back = new();
        return (new PairStream(back.Reader, there.Writer), new PairStream(there.Reader, back.Writer));
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Asked.Enqueue(buffer.Length);
        int count = await _in.ReadAsync(buffer, cancellationToken);
        Interlocked.Add(ref _bytesRead, count);
        return count;
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Interlocked.Add(ref _bytesWritten, buffer.Length);
        ValueTask writing = _out.WriteAsync(buffer, cancellationToken);
        if (!writing.IsCompleted)
        {
            _heldBack.TrySetResult();
        }

        return writing;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Ends what this side says, as a closed socket does.</summary>
    public void End(bool hard = false)
    {
        _out.Dispose();
        if (hard)
        {
            _in.Dispose();
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            End(hard: true);
        }

        base.Dispose(disposing);
    }
}
