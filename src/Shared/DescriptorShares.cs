namespace Portmap;

/// <summary>
/// How the descriptors that this process may have are shared out, so that nobody takes what another
/// one counts on.
/// </summary>
/// <remarks>
/// <code>
///   guards: half │ processes of sessions (pidfd): an eighth, of 16,384 and more a fifth │ connections, the host, what is open
/// </code>
/// Where there are few, connections need them more: a process without one is looked at by each
/// pass. Where there are many, a process needs one for itself and one for its connection.
/// </remarks>
internal static class DescriptorShares
{
    private const int MostProcesses = 65_536, Many = 16_384;

    /// <summary>The most that placeholders of ports may take.</summary>
    public static int OfGuards(int limit) => limit / 2;

    /// <summary>The most that descriptors of processes may take.</summary>
    public static int OfProcesses(int limit) => Math.Clamp(limit / (limit < Many ? 8 : 5), 1, MostProcesses);
}
