using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Portmap.Rpc.Protocol;

/// <summary>Owner names on their way between bytes and characters. What is not well-formed never turns into another name.</summary>
internal static class OwnerText
{
    /// <summary>The longest owner; it has at most as many characters as bytes.</summary>
    public const int MaxBytes = 4_096;

    /// <summary>The longest owner that a client sends to have it refused by the registry; anything longer it refuses by itself.</summary>
    public const int MaxSentBytes = 8_192;

    /// <summary>Decodes into a buffer of the caller's.</summary>
    /// <param name="bytes">UTF-8.</param>
    /// <param name="buffer">At least <see cref="MaxBytes"/> characters.</param>
    /// <param name="owner">The name, part of the buffer.</param>
    /// <returns>False when no owner can have that name.</returns>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, Span<char> buffer, out ReadOnlySpan<char> owner)
    {
        owner = default;
        if (bytes.Length is 0 or > MaxBytes || bytes.Contains((byte)0)
            || Utf8.ToUtf16(bytes, buffer, out _, out int written, replaceInvalidSequences: false) != OperationStatus.Done)
        {
            return false;
        }

        owner = buffer[..written];
        return true;
    }

    /// <summary>Decodes a name that is to be changed; the registry judges its length and characters.</summary>
    /// <exception cref="PortRefusedException">It is not well-formed UTF-8, so that there is no string to hand on.</exception>
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Xdr.XdrReader.Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new PortRefusedException(new PortRefusal(
                PortRefusalReason.InvalidOwner,
                $"The owner, {bytes.Length} bytes, is not well-formed UTF-8; use 1 to 4,096 bytes of UTF-8 without U+0000."));
        }
    }

    /// <summary>Says what keeps a name from being sent at all, or null.</summary>
    public static PortRefusal? Complaint(string owner)
    {
        int bytes;
        try
        {
            bytes = Xdr.XdrReader.Utf8.GetByteCount(owner);
        }
        catch (EncoderFallbackException)
        {
            return new PortRefusal(
                PortRefusalReason.InvalidOwner,
                "The owner holds a lone surrogate, which has no UTF-8; use 1 to 4,096 bytes of UTF-8 without U+0000.")
            { Owner = owner };
        }

        return bytes <= MaxSentBytes ? null : new PortRefusal(
            PortRefusalReason.InvalidOwner,
            $"The owner is {bytes} bytes long; use 1 to 4,096 bytes of UTF-8 without U+0000.")
        { Owner = owner };
    }
}
