using System.Buffers.Binary;
using System.Text;

namespace Portmap.Rpc.Tests;

/// <summary>Calls and replies as bytes, written down a second time so that the codec is not tested
/// with itself.</summary>
internal static class Wire
{
    public const uint Gluster = 34_123_456;
    public const uint GfDump = 123_451_501;
    public const uint Portmap = 0x2050_4D50;

    private const uint LastFragment = 0x8000_0000;

    public static byte[] Words(params uint[] words)
    {
        byte[] bytes = new byte[4 * words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4 * i), words[i]);
        }

        return bytes;
    }

    public static byte[] Text(string text) => Opaque(Encoding.UTF8.GetBytes(text));

    public static byte[] Opaque(byte[] bytes) => [.. Words((uint)bytes.Length), .. bytes, .. new byte[-bytes.Length & 3]];

    public static byte[] Record(params byte[] content) => [.. Words(LastFragment | (uint)content.Length), .. content];

    public static byte[] Fragment(params byte[] content) => [.. Words((uint)content.Length), .. content];

    public static byte[] Call(uint xid, uint program, uint procedure, params byte[] arguments) => Call(xid, program, 1, procedure, arguments);

    public static byte[] Call(uint xid, uint program, uint version, uint procedure, byte[] arguments) =>
        Record([.. Words(xid, 0, 2, program, version, procedure, 0, 0, 0, 0), .. arguments]);

    public static byte[] Reply(uint xid, uint status, params byte[] results) => [.. Words(xid, 1, 0, 0, 0, status), .. results];

    public static byte[] Success(uint xid, params byte[] results) => Reply(xid, 0, results);

    /// <summary>Reads bytes written as in a document: hex digits, any white space.</summary>
    public static byte[] Hex(string text) => Convert.FromHexString(string.Concat(text.Where(c => !char.IsWhiteSpace(c))));

    /// <summary>Reads one record, of one fragment as every server sends it.</summary>
    public static async Task<byte[]> ReadRecordAsync(this Stream stream)
    {
        byte[] mark = new byte[4];
        await stream.ReadExactlyAsync(mark).Within();
        byte[] record = new byte[BinaryPrimitives.ReadUInt32BigEndian(mark) & ~LastFragment];
        await stream.ReadExactlyAsync(record).Within();
        return record;
    }

    public static async Task<byte[]> ExchangeAsync(this Stream stream, byte[] call)
    {
        await stream.WriteAsync(call).Within();
        return await stream.ReadRecordAsync();
    }
}
