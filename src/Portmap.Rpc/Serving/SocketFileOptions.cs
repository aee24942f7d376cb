namespace Portmap.Rpc.Serving;

/// <summary>What <see cref="PortmapServerOptions"/> say of socket files.</summary>
/// <param name="Mode">The mode of the file.</param>
/// <param name="AllowGroupFolder">Whether the group of the folder may write to it.</param>
internal readonly record struct SocketFileOptions(UnixFileMode Mode, bool AllowGroupFolder)
{
    private const int MostBits = 0x1ff;   // 0777

    /// <summary>What the mode is and what it must be, where it is none.</summary>
    public static string[] Complaints(PortmapServerOptions options) => ParseMode(options.SocketMode) is null
        ? [$"{nameof(options.SocketMode)} is '{options.SocketMode}' and must be a file mode in octal, 000 to 0777, for example 0660."]
        : [];

    /// <summary>What is said by options about which there are no
    /// <see cref="Complaints"/>.</summary>
    public static SocketFileOptions Of(PortmapServerOptions options) => new(ParseMode(options.SocketMode)!.Value, options.AllowGroupWritableFolder);

    private static UnixFileMode? ParseMode(string? text)
    {
        // "0660", "660" and "0o660" as chmod and Python write them; digits are never decimal here.
        string digits = text is not null && text.StartsWith("0o", StringComparison.OrdinalIgnoreCase) ? text[2..] : text ?? string.Empty;
        int bits = 0;
        foreach (char digit in digits)
        {
            bits = digit is >= '0' and <= '7' && bits <= MostBits ? (bits << 3) | (digit - '0') : int.MaxValue;
        }

        return digits.Length >= 3 && bits <= MostBits ? (UnixFileMode)bits : null;
    }
}
