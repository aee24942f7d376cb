using Portmap.Native;

namespace Portmap.Rpc.Serving;

/// <summary>How many connections the descriptors of this process leave room for.</summary>
/// <remarks>
/// <code>
///   all the process may have:
///     guards: half │ processes of sessions: an eighth or a fifth │ what is open │ host: 32 │ connections
/// </code>
/// A process without descriptors cannot even load an assembly: .NET then ends it ("Out of memory").
/// Where what is left is less than an eighth of all, connections have that eighth, and accepting
/// pauses when others need it.
/// </remarks>
internal static class Descriptors
{
    private const int ForTheHost = 32;

    /// <summary>As many connections as are wanted, but no more than there is room for.</summary>
    public static int Allow(int connections) =>
        OperatingSystem.IsLinux() ? Math.Min(connections, RoomFor(Posix.DescriptorLimit, Open())) : connections;

    /// <param name="limit">How many descriptors the process may have.</param>
    /// <param name="open">How many it has.</param>
    public static int RoomFor(int limit, int open) => Math.Max(
        1,
        Math.Max(limit / 8, limit - DescriptorShares.OfGuards(limit) - DescriptorShares.OfProcesses(limit) - open - ForTheHost));

    /// <summary>How many this process has.</summary>
    public static int Open()
    {
        try
        {
            return DescriptorLinks.Count("/proc/self");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
