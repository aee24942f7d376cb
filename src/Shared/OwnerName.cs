using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Portmap;

/// <summary>What an owner may be called, and how names pass between bytes and characters.</summary>
/// <remarks>What is not well-formed never turns into another name.</remarks>
internal static class OwnerName
{
    /// <summary>The longest owner; it has at most as many characters as bytes.</summary>
    public const int MaxBytes = 4_096;

    /// <summary>What an owner is, for messages.</summary>
    public const string Rule = "1 to 4,096 bytes of UTF-8 without U+0000";

    /// <summary>What is wrong with a name, or null.</summary>
    public static string? Complaint(string? owner)
    {
        if (string.IsNullOrEmpty(owner))
        {
            return $"The owner is empty; give 1 to {MaxBytes} bytes of UTF-8.";
        }

        if (owner.Length > MaxBytes)
        {
            return Text($"The owner has at least {owner.Length} bytes and may have {MaxBytes}; shorten it.");
        }

        if (!owner.AsSpan().ContainsAnyExceptInRange('\u0001', '\u007f'))
        {
            return null;   // nearly every name, in one pass
        }

        int nul = owner.IndexOf('\0', StringComparison.Ordinal);
        if (nul >= 0)
        {
            return Text($"The owner holds U+0000 at character {nul}, which the wire cannot carry; leave it out.");
        }

        return ComplaintOfUnicode(owner);
    }

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

    /// <summary>Whether a text holds half of a character, which UTF-8 cannot write.</summary>
    public static bool HoldsLoneSurrogate(ReadOnlySpan<char> text) => FindLoneSurrogate(text, out _) >= 0;

    private static string? ComplaintOfUnicode(string owner)
    {
        int at = FindLoneSurrogate(owner, out int bytes);
        return at >= 0 ? Text($"The owner holds a lone surrogate at character {at}, which is no Unicode text; mend it.")
            : bytes <= MaxBytes ? null
            : Text($"The owner has {bytes} bytes of UTF-8 and may have {MaxBytes}; shorten it.");
    }

    /// <summary>Where the first half of a character stands alone, or -1.</summary>
    /// <param name="text">The text.</param>
    /// <param name="bytes">How many bytes of UTF-8 all before it are.</param>
    private static int FindLoneSurrogate(ReadOnlySpan<char> text, out int bytes)
    {
        bytes = 0;
        for (int at = 0; at < text.Length;)
        {
            if (Rune.DecodeFromUtf16(text[at..], out Rune rune, out int consumed) != OperationStatus.Done)
            {
                return at;
            }

            bytes += rune.Utf8SequenceLength;
            at += consumed;
        }

        return -1;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
