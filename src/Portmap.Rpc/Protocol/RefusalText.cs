using System.Text;

namespace Portmap.Rpc.Protocol;

/// <summary>The texts of a refusal as they go over the wire: short enough for one record.</summary>
/// <remarks>
/// A name that is too long to be an owner's is left out, for a part of it would be another name.
/// The message is cut in its middle: it begins with what was refused and ends with what to do.
/// </remarks>
/// <param name="Message">The message.</param>
/// <param name="Owner">The owner, or null.</param>
/// <param name="Holder">The holder, or null.</param>
internal readonly record struct RefusalText(string Message, string? Owner, string? Holder)
{
    /// <summary>All numbers, lengths and padding of a refusal.</summary>
    private const int FixedBytes = 64;

    private const int MaxMessageBytes = 10_240;
    private const string Gap = " […] ";

    /// <param name="refusal">The refusal.</param>
    /// <param name="maxBytes">How many bytes all of it may take, at least 8,000.</param>
    public static RefusalText Of(PortRefusal refusal, int maxBytes)
    {
        int left = maxBytes - FixedBytes;
        string? owner = Name(refusal.Owner, ref left), holder = Name(refusal.Holder, ref left);
        return new RefusalText(Cut(refusal.Message, Math.Min(left, MaxMessageBytes)), owner, holder);
    }

    private static string? Name(string? name, ref int left)
    {
        int bytes = name is null ? 0 : Encoding.UTF8.GetByteCount(name);
        if (bytes > OwnerName.MaxBytes || bytes > left / 2)
        {
            return null;
        }

        left -= bytes;
        return name;
    }

    private static string Cut(string message, int maxBytes)
    {
        if (Encoding.UTF8.GetByteCount(message) <= maxBytes)
        {
            return message;
        }

        int half = (maxBytes - Encoding.UTF8.GetByteCount(Gap)) / 2;
        int head = 0, tail = message.Length;
        for (int bytes = 0; head < message.Length && (bytes += BytesAt(message, head)) <= half;)
        {
            head += Units(message, head);
        }

        for (int bytes = 0; tail > head;)
        {
            int units = tail >= 2 && char.IsSurrogatePair(message[tail - 2], message[tail - 1]) ? 2 : 1;
            if ((bytes += BytesAt(message, tail - units)) > half)
            {
                break;
            }

            tail -= units;
        }

        return string.Concat(message.AsSpan(0, head), Gap, message.AsSpan(tail));
    }

    private static int Units(string text, int at) => at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;

    private static int BytesAt(string text, int at) => Encoding.UTF8.GetByteCount(text.AsSpan(at, Units(text, at)));
}
