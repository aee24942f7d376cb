using System.Globalization;
using System.Net.NetworkInformation;

namespace Portmap.TestKit;

/// <summary>The lock files behind <see cref="PortBlock"/>, one for each block of the
/// machine.</summary>
internal sealed class PortBlockFiles
{
    private const int LowestPort = 10_000;
    private const int HighestPort = 32_767;

    // Where clients of GlusterFS look for the management daemon: tests of it serve there, on
    // addresses of their own, and a listener on all addresses would be in their way.
    private const int GlusterPort = 24_007;

    // At most 250, so that a block's number fits the third byte of its loopback address.
    private const int MaxBlocks = 250;

    private readonly int _lowest;
    private readonly int _count;
    private readonly List<FileStream> _held = [];

    public PortBlockFiles()
    {
        (_lowest, int highest) = Bounds();
        _count = Math.Min(MaxBlocks, (highest - _lowest + 1) / PortBlock.Size);
    }

    public int FirstPort(int block) => _lowest + (block * PortBlock.Size);

    /// <summary>Claims blocks side by side, for the life of the process.</summary>
    /// <returns>The number of the first one.</returns>
    public int Claim(int blocks)
    {
        // Runs that follow each other start at different blocks: they seldom meet what the one before
        // has left.
        HashSet<int> inUse = InUse();
        int start = Environment.ProcessId % Math.Max(1, _count);
        for (int i = 0; i < _count; i++)
        {
            int first = (start + i) % _count;
            if (first + blocks <= _count && TryHold(first, blocks, inUse))
            {
                return first;
            }
        }

        throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture,
            $"None of the {_count} test port blocks from {_lowest} on is free for {blocks} in a row: too many test runs at once (lock files in '{Path.GetTempPath()}')."));
    }

    private bool TryHold(int first, int blocks, HashSet<int> inUse)
    {
        List<FileStream> run = [];
        for (int block = first; block < first + blocks; block++)
        {
            if (TryOpen(block, inUse) is not { } file)
            {
                run.ForEach(held => held.Dispose());
                return false;
            }

            run.Add(file);
        }

        _held.AddRange(run);
        return true;
    }

    private FileStream? TryOpen(int block, HashSet<int> inUse)
    {
        int first = FirstPort(block);
        if (Enumerable.Range(first, PortBlock.Size).Any(port => port == GlusterPort || inUse.Contains(port)))
        {
            return null;
        }

        string path = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"portmap-test-ports-{first}.lock"));
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another process has it (or another user's file is in the way): the next block will
            // do.
            return null;
        }
    }

    private static (int Lowest, int Highest) Bounds()
    {
        PortRange ephemeral = EphemeralPorts.Range;
        if (ephemeral.First >= LowestPort + (10 * PortBlock.Size))
        {
            return (LowestPort, Math.Min(HighestPort, ephemeral.First - 1));
        }

        return ephemeral.Last <= 65_535 - (10 * PortBlock.Size)
            ? (ephemeral.Last + 1, 65_535)
            : throw new InvalidOperationException($"The ephemeral range {ephemeral} leaves no room for test ports; narrow net.ipv4.ip_local_port_range.");
    }

    // Programs that have nothing to do with tests may listen down there, and connections to servers of
    // a test process that has ended linger for a minute (TIME_WAIT): such blocks are left alone.
    private static HashSet<int> InUse()
    {
        IPGlobalProperties system = IPGlobalProperties.GetIPGlobalProperties();
        return
        [
            .. system.GetActiveTcpListeners().Concat(system.GetActiveUdpListeners()).Select(end => end.Port),
            .. system.GetActiveTcpConnections().Select(connection => connection.LocalEndPoint.Port),
        ];
    }
}
