using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Portmap.Rpc.Xdr;

/// <summary>
/// Reads XDR (RFC 4506) from one record. Every read checks its bound; what does not fit is an
/// <see cref="InvalidDataException"/>.
/// </summary>
/// <remarks>
/// A mutable struct: pass it by reference. Padding bytes are skipped without a look, as every other
/// implementation does.
/// </remarks>
internal struct XdrReader(ArraySegment<byte> data)
{
    /// <summary>Strict: a name that is not well-formed must not turn into another name.</summary>
    internal static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ArraySegment<byte> _data = data;
    private int _position;

    public readonly int Remaining => _data.Count - _position;

    public int ReadInt32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public long ReadInt64() => BinaryPrimitives.ReadInt64BigEndian(Take(8));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    public bool ReadBoolean() => ReadUInt32() switch
    {
        0 => false,
        1 => true,
        uint other => throw new InvalidDataException($"{other} is not a bool."),
    };

    public ReadOnlySpan<byte> ReadOpaque(int maxBytes)
    {
        uint length = ReadUInt32();
        if (length > (uint)maxBytes)
        {
            ThrowTooLong(length, maxBytes);
        }

        ReadOnlySpan<byte> bytes = Take((int)length);
        Take(-(int)length & 3);
        return bytes;
    }

    public string ReadString(int maxBytes)
    {
        ReadOnlySpan<byte> bytes = ReadOpaque(maxBytes);
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException("A string is not well-formed UTF-8.", e);
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > Remaining)
        {
            ThrowTooShort(count, Remaining);
        }

        ReadOnlySpan<byte> taken = _data.AsSpan(_position, count);
        _position += count;
        return taken;
    }

    [DoesNotReturn]
    private static void ThrowTooShort(int wanted, int left) => throw new InvalidDataException($"The record ends early: {wanted} bytes are wanted and {left} are left.");

    [DoesNotReturn]
    private static void ThrowTooLong(uint length, int maxBytes) => throw new InvalidDataException($"{length} bytes are announced and at most {maxBytes} are taken.");
}
