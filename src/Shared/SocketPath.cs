namespace Portmap;

/// <summary>What the kernel takes for the path of a Unix socket (unix(7)).</summary>
internal static class SocketPath
{
    /// <summary>The longest one in bytes: sun_path holds 108 with its closing zero.</summary>
    public const int MaxBytes = 107;
}
