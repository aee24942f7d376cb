using System.Buffers.Binary;
using System.Numerics;

namespace Portmap.Persistence;

/// <summary>
/// The checksum of a line: CRC-32C (Castagnoli, RFC 3720 appendix B.4), which processors have an
/// instruction for and which finds every change of up to 32 bits in a row.
/// </summary>
internal static class Crc32C
{
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        while (bytes.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (byte value in bytes)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }
}
