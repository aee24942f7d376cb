using System.Buffers;
using System.Globalization;
using System.Text;

namespace Portmap;

/// <summary>What an owner may be called: 1 to 4,096 bytes of well-formed UTF-8 without U+0000.</summary>
internal static class OwnerName
{
    public const int MaxBytes = 4_096;

    /// <summary>What is wrong with a name, or null.</summary>
    public static string? Complaint(string? owner)
    {
        if (string.IsNullOrEmpty(owner))
        {
            return $"The owner is empty; give 1 to {MaxBytes} bytes of UTF-8.";
        }

        if (owner.Length > MaxBytes)
        {
            return string.Create(CultureInfo.InvariantCulture, $"The owner has at least {owner.Length} bytes and may have {MaxBytes}; shorten it.");
        }

        int nul = owner.IndexOf('\0', StringComparison.Ordinal);
        if (nul >= 0)
        {
            return string.Create(CultureInfo.InvariantCulture, $"The owner holds U+0000 at character {nul}, which the wire cannot carry; leave it out.");
        }

        return Ascii.IsValid(owner) ? null : ComplaintOfUnicode(owner);
    }

    /// <summary>Whether a text holds half of a character, which UTF-8 cannot write.</summary>
    public static bool HoldsLoneSurrogate(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(text, out _, out int consumed) != OperationStatus.Done)
            {
                return true;
            }

            text = text[consumed..];
        }

        return false;
    }

    private static string? ComplaintOfUnicode(string owner)
    {
        int bytes = 0;
        ReadOnlySpan<char> rest = owner;
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(rest, out Rune rune, out int consumed) != OperationStatus.Done)
            {
                return string.Create(CultureInfo.InvariantCulture, $"The owner holds a lone surrogate at character {owner.Length - rest.Length}, which is no Unicode text; mend it.");
            }

            bytes += rune.Utf8SequenceLength;
            rest = rest[consumed..];
        }

        return bytes <= MaxBytes ? null : string.Create(CultureInfo.InvariantCulture, $"The owner has {bytes} bytes of UTF-8 and may have {MaxBytes}; shorten it.");
    }
}
