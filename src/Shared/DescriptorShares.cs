namespace Portmap;

/// <summary>
/// How the descriptors that this process may have are shared out, so that nobody takes what another
/// one counts on.
/// </summary>
/// <remarks>
/// <code>
///   guards: half │ processes of sessions (pidfd): an eighth │ connections, the host, what is open
/// </code>
/// </remarks>
internal static class DescriptorShares
{
    private const int MostProcesses = 65_536;

    /// <summary>The most that placeholders of ports may take.</summary>
    public static int OfGuards(int limit) => limit / 2;

    /// <summary>The most that descriptors of processes may take.</summary>
    public static int OfProcesses(int limit) => Math.Clamp(limit / 8, 1, MostProcesses);
}
