namespace Portmap.Rpc.Serving;

/// <summary>How many connections the descriptors of this process leave room for.</summary>
/// <remarks>
/// <code>
///   all the process may have:  half for guards │ what is open already │ 32 for the host to come │ the rest: connections
/// </code>
/// A process without descriptors cannot even load an assembly: .NET then ends it ("Out of memory"). Where the rest is
/// less than an eighth of all, connections have that eighth, and accepting pauses when guards or the host need it.
/// </remarks>
internal static class Descriptors
{
    private const int ForTheHost = 32;

    /// <summary>As many connections as are wanted, but no more than there is room for.</summary>
    public static int Allow(int connections) =>
        OperatingSystem.IsLinux() ? Math.Min(connections, RoomFor(KernelSettings.DescriptorLimit(), Open())) : connections;

    /// <param name="limit">How many descriptors the process may have.</param>
    /// <param name="open">How many it has.</param>
    public static int RoomFor(int limit, int open) => Math.Max(1, Math.Max(limit / 8, (limit / 2) - open - ForTheHost));

    private static int Open()
    {
        try
        {
            return Directory.EnumerateFileSystemEntries("/proc/self/fd").Count();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
