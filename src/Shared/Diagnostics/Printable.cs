using System.Globalization;
using System.Text;

namespace Portmap.Diagnostics;

/// <summary>Text that a name out of the world may stand in.</summary>
/// <remarks>
/// What steers a terminal, breaks a line or turns the order of letters round is written as its
/// number. It is the one way in which both packages print owners, commands and refusals. What is
/// printable comes back as the same object.
/// </remarks>
internal static class Printable
{
    /// <summary>The text with what is not printable written as <c>\uXXXX</c>.</summary>
    /// <remarks>
    /// These are controls (C0, DEL, C1), line and paragraph separators, invisible format characters
    /// (those of bidirectional text among them) and lone surrogates. Beyond the basic plane it is
    /// <c>\UXXXXXXXX</c>. Doing it twice is the same as once.
    /// </remarks>
    public static string Of(string text)
    {
        int at = FirstUnprintable(text);
        return at < 0 ? text : Escape(text, at);
    }

    private static int FirstUnprintable(string text)
    {
        int at = text.AsSpan().IndexOfAnyExceptInRange(' ', '~');
        while (at >= 0 && at < text.Length)
        {
            if (!Rune.TryGetRuneAt(text, at, out Rune rune) || !IsPrintable(rune))
            {
                return at;
            }

            at += rune.Utf16SequenceLength;
        }

        return -1;
    }

    private static string Escape(string text, int from)
    {
        StringBuilder escaped = new StringBuilder(text.Length + 16).Append(text, 0, from);
        for (int at = from; at < text.Length;)
        {
            bool isRune = Rune.TryGetRuneAt(text, at, out Rune rune);
            int length = isRune ? rune.Utf16SequenceLength : 1;
            if (isRune && IsPrintable(rune))
            {
                escaped.Append(text, at, length);
            }
            else if (length == 1)
            {
                escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[at]:X4}");
            }
            else
            {
                escaped.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:X8}");
            }

            at += length;
        }

        return escaped.ToString();
    }

    private static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune) is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate);
}
