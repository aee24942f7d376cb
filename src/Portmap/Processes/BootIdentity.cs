namespace Portmap.Processes;

/// <summary>Which boot of the host this is.</summary>
internal static class BootIdentity
{
    /// <summary>
    /// /proc/sys/kernel/random/boot_id (random(4)); empty where there is none (not verified:
    /// Windows, macOS), and then every boot counts as the same.
    /// </summary>
    public static Guid Current { get; } = Read();

    private static Guid Read()
    {
        try
        {
            return Guid.Parse(File.ReadAllText("/proc/sys/kernel/random/boot_id"));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
        {
            return Guid.Empty;
        }
    }
}
