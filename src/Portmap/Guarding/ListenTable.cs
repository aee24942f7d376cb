using System.Globalization;

namespace Portmap.Guarding;

/// <summary>Who listens, as /proc/net says (proc(5)): one read answers for all ports.</summary>
/// <remarks>A port counts as listened on when a TCP socket is in state LISTEN (0A), or a UDP socket is bound and unconnected (07). Not verified elsewhere than on Linux.</remarks>
internal sealed class ListenTable
{
    private readonly List<(int Port, long Inode)> _listeners = [];

    private ListenTable()
    {
    }

    public static ListenTable Read(PortProtocol protocol)
    {
        ListenTable table = new();
        string name = protocol == PortProtocol.Udp ? "udp" : "tcp", state = protocol == PortProtocol.Udp ? "07" : "0A";
        table.ReadFile($"/proc/net/{name}", state);
        table.ReadFile($"/proc/net/{name}6", state);
        return table;
    }

    public bool Listens(int port) => _listeners.Exists(listener => listener.Port == port);

    /// <summary>The port that a process listens on: the one asked for, or for 0 the lowest of its listening ports; 0 when there is none yet.</summary>
    /// <remarks>Where the process's descriptors may not be read, a listener on the port asked for is believed to be its.</remarks>
    public int PortOf(int processId, int port)
    {
        HashSet<long>? inodes = SocketsOf(processId);
        int best = 0;
        foreach ((int candidate, long inode) in _listeners)
        {
            bool wanted = port == 0 ? inodes is not null : candidate == port;
            if (wanted && (inodes is null || inodes.Contains(inode)) && (best == 0 || candidate < best))
            {
                best = candidate;
            }
        }

        return best;
    }

    private static HashSet<long>? SocketsOf(int processId)
    {
        HashSet<long> inodes = [];
        try
        {
            foreach (string descriptor in Directory.EnumerateFiles(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/fd")))
            {
                // The link reads socket:[12345].
                string? target = TryReadLink(descriptor);
                if (target is not null && target.StartsWith("socket:[", StringComparison.Ordinal)
                    && long.TryParse(target.AsSpan(8, target.Length - 9), NumberStyles.None, CultureInfo.InvariantCulture, out long inode))
                {
                    inodes.Add(inode);
                }
            }

            return inodes;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? TryReadLink(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;   // closed meanwhile
        }
    }

    private void ReadFile(string path, string state)
    {
        IEnumerable<string> lines;
        try
        {
            lines = File.ReadAllLines(path).Skip(1);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return;
        }

        foreach (string line in lines)
        {
            // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length > 9 && fields[3] == state
                && int.TryParse(fields[1].AsSpan(fields[1].LastIndexOf(':') + 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out int port)
                && long.TryParse(fields[9], NumberStyles.None, CultureInfo.InvariantCulture, out long inode))
            {
                _listeners.Add((port, inode));
            }
        }
    }
}
