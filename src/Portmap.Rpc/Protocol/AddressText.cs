using System.Text;

namespace Portmap.Rpc.Protocol;

/// <summary>The addresses of an entry, as many as cross.</summary>
internal static class AddressText
{
    /// <summary>
    /// The longest list in bytes. An entry has to fit a page with all of its texts.
    /// </summary>
    public const int MaxBytes = 1_024;

    private const string Separator = ", ";

    /// <summary>What stands for those that did not fit.</summary>
    private const string More = "…";

    /// <summary>
    /// Cuts a list that is too long after a whole address, and says that there are more.
    /// </summary>
    public static ReadOnlySpan<char> Of(string addresses)
    {
        if (Encoding.UTF8.GetByteCount(addresses) <= MaxBytes)
        {
            return addresses;
        }

        // Addresses are ASCII, so that a character is a byte.
        int end = addresses.LastIndexOf(Separator, MaxBytes - Encoding.UTF8.GetByteCount(More) - Separator.Length, StringComparison.Ordinal);
        return end < 0 ? More : string.Concat(addresses.AsSpan(0, end + Separator.Length), More);
    }
}
