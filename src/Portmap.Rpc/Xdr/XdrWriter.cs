using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Portmap.Rpc.Xdr;

/// <summary>
/// Writes XDR (RFC 4506) and the record marks around it (RFC 5531 §11) into one growing buffer,
/// borrowed from the pool while there is something in it.
/// </summary>
/// <remarks>
/// Not thread-safe. One that is dropped instead of cleared costs the pool its buffer and nothing
/// else: that is right where the buffer may still be read.
/// </remarks>
internal sealed class XdrWriter
{
    private const int FirstBytes = 4_096;

    private const uint LastFragment = 0x8000_0000;

    private byte[] _buffer = [];

    public int Count { get; private set; }

    public ReadOnlyMemory<byte> Written => _buffer.AsMemory(0, Count);

    public void WriteInt32(int value) => BinaryPrimitives.WriteInt32BigEndian(Grow(4), value);

    public void WriteUInt32(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Grow(4), value);

    public void WriteInt64(long value) => BinaryPrimitives.WriteInt64BigEndian(Grow(8), value);

    public void WriteUInt64(ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Grow(8), value);

    public void WriteBoolean(bool value) => WriteUInt32(value ? 1u : 0u);

    public void WriteOpaque(ReadOnlySpan<byte> value)
    {
        WriteInt32(value.Length);
        value.CopyTo(Grow(value.Length));
        Grow(-value.Length & 3).Clear();
    }

    /// <summary>
    /// Writes text as UTF-8. A lone surrogate becomes U+FFFD: names are checked before they come
    /// here, messages may be lossy.
    /// </summary>
    public void WriteString(ReadOnlySpan<char> value)
    {
        int bytes = Encoding.UTF8.GetByteCount(value);
        WriteInt32(bytes);
        Encoding.UTF8.GetBytes(value, Grow(bytes));
        Grow(-bytes & 3).Clear();
    }

    /// <summary>Leaves room for a record mark.</summary>
    /// <returns>Where the record starts.</returns>
    public int BeginRecord()
    {
        int start = Count;
        Grow(4);
        return start;
    }

    /// <summary>Writes the mark of the record that ends here, which is one fragment.</summary>
    public void EndRecord(int start) => PatchUInt32(start, LastFragment | (uint)(Count - start - 4));

    public void PatchUInt32(int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(_buffer.AsSpan(at, 4), value);

    /// <summary>Takes back what was written after <paramref name="count"/> bytes.</summary>
    public void Truncate(int count) => Count = count;

    /// <summary>
    /// Empties it and gives the buffer back: thousands of connections that say nothing hold none.
    /// </summary>
    public void Clear()
    {
        Count = 0;
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }

    private Span<byte> Grow(int bytes)
    {
        int needed = checked(Count + bytes);
        if (needed > _buffer.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max(needed, Math.Max(FirstBytes, 2L * _buffer.Length))));
            Written.Span.CopyTo(larger);
            int count = Count;
            Clear();
            (_buffer, Count) = (larger, count);
        }

        Span<byte> span = _buffer.AsSpan(Count, bytes);
        Count = needed;
        return span;
    }
}
