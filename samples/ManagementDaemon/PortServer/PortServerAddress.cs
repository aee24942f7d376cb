using System.Net.Sockets;
using System.Text;

namespace ManagementDaemon.PortServer;

/// <summary>Where clients of portpicker find their port server: a path, or a name without a file
/// when it begins with @.</summary>
internal sealed record PortServerAddress(string Text)
{
    private const int MaxBytes = 107;   // sun_path, less its closing zero

    public bool IsAbstract => Text.StartsWith('@');

    public UnixDomainSocketEndPoint EndPoint => new(IsAbstract ? $"\0{Text[1..]}" : Text);

    /// <summary>What is wrong with a text, or null.</summary>
    public static string? Complaint(string text) =>
        text.Length == 0 || text == "@" || text.Contains('\0', StringComparison.Ordinal) ? $"'{text}' is no address of a port server; write a path, or @ and a name."
        : Encoding.UTF8.GetByteCount(text) > MaxBytes ? $"The address of the port server has {Encoding.UTF8.GetByteCount(text)} bytes; the kernel takes at most {MaxBytes}."
        : null;
}
