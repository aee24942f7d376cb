using System.Buffers;
using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Guarding;

/// <summary>Who listens, as /proc/net says (proc(5)): one read answers for all ports.</summary>
/// <remarks>
/// A port counts as listened on when a TCP socket is in state LISTEN (0A), or a UDP socket is bound (07, or 01 once it is connected). The kernel lists its
/// listening TCP sockets before all others (tcp_seq_start), so the read ends at the first other one: it costs what the listeners cost, however many
/// connections there are. Immutable once read. Linux only.
/// </remarks>
internal sealed class ListenTable
{
    private const int BufferSize = 32_768;
    private const int Listening = 0x0A, Bound = 0x07, Connected = 0x01;   // net/tcp_states.h

    private readonly ulong[] _ports = new ulong[65_536 / 64];
    private readonly List<Listener> _listeners = [];
    private bool _withConnections;

    /// <summary>Both families were read to their end. One that was not, for want of a descriptor say, must not count as "nobody listens".</summary>
    public bool IsComplete { get; private set; }

    private ListenTable()
    {
    }

    /// <summary>A socket that listens.</summary>
    internal readonly record struct Listener(ushort Port, long Inode);

    /// <summary>Reads both families. A host without IPv6 has none of its listeners.</summary>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="folder">/proc/net, or that of a process, which may have a network of its own.</param>
    public static ListenTable Read(PortProtocol protocol, string folder = "/proc/net")
    {
        ListenTable table = new();
        string name = protocol == PortProtocol.Udp ? "udp" : "tcp";
        table.IsComplete = table.TryReadFile($"{folder}/{name}", protocol) && table.TryReadFile($"{folder}/{name}6", protocol, isOptional: true);
        return table;
    }

    /// <summary>Whether TCP connections of a port are left, in TIME_WAIT or alive: then these keep a strict bind from it. A socket that is bound and silent is
    /// not listed. Reads all connections, which may be many; where that cannot be done, the answer is yes.</summary>
    public static bool HasConnections(int port, string folder = "/proc/net")
    {
        ListenTable table = new() { _withConnections = true };
        return !table.TryReadFile($"{folder}/tcp", PortProtocol.Tcp) || !table.TryReadFile($"{folder}/tcp6", PortProtocol.Tcp, isOptional: true) || table.Listens(port);
    }

    public bool Listens(int port) => (_ports[port >> 6] >> port & 1) != 0;

    /// <summary>Whether one of these sockets listens on the port.</summary>
    public bool Listens(int port, HashSet<long> inodes)
    {
        foreach (Listener listener in _listeners)
        {
            if (listener.Port == port && inodes.Contains(listener.Inode))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The sockets that listen on a port: one, or one for each address.</summary>
    public IEnumerable<long> SocketsOn(int port) => _listeners.Where(listener => listener.Port == port).Select(listener => listener.Inode);

    /// <summary>The port that a process listens on: the one asked for, or for 0 the lowest of its listening ports; 0 when there is none yet.</summary>
    /// <remarks>Where the process's descriptors may not be read, a listener on the port asked for is believed to be its.</remarks>
    public int PortOf(int processId, int port)
    {
        if (port != 0 && !Listens(port))
        {
            return 0;   // nothing to look at the process for
        }

        HashSet<long>? inodes = ProcessSockets.Of(processId);
        int best = 0;
        foreach ((ushort candidate, long inode) in _listeners)
        {
            bool wanted = port == 0 ? inodes is not null : candidate == port;
            if (wanted && (inodes is null || inodes.Contains(inode)) && (best == 0 || candidate < best))
            {
                best = candidate;
            }
        }

        return best;
    }

    private bool TryReadFile(string path, PortProtocol protocol, bool isOptional = false)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            using SafeFileHandle file = File.OpenHandle(path);
            int kept = 0;
            bool isHeader = true;
            for (long offset = 0; RandomAccess.Read(file, buffer.AsSpan(kept), offset) is > 0 and int read; offset += read)
            {
                ReadOnlySpan<byte> rest = buffer.AsSpan(0, kept + read);
                for (int end; (end = rest.IndexOf((byte)'\n')) >= 0; rest = rest[(end + 1)..])
                {
                    if (!isHeader && !TryAdd(rest[..end], protocol))
                    {
                        return true;
                    }

                    isHeader = false;
                }

                rest.CopyTo(buffer);   // the line that is not whole yet
                kept = rest.Length;
            }

            return true;
        }
        catch (FileNotFoundException) when (isOptional)
        {
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Takes one line in; false when nobody below it listens.</summary>
    private bool TryAdd(ReadOnlySpan<byte> line, PortProtocol protocol)
    {
        // sl local_address:port rem_address:port st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
        _ = NextField(ref line);
        ReadOnlySpan<byte> local = NextField(ref line);
        _ = NextField(ref line);
        if (!Utf8Parser.TryParse(NextField(ref line), out int state, out _, 'X')
            || !Utf8Parser.TryParse(local[(local.LastIndexOf((byte)':') + 1)..], out ushort port, out _, 'X'))
        {
            return true;   // not a line of ours
        }

        if (protocol == PortProtocol.Tcp ? state != Listening : state is not (Bound or Connected))
        {
            _ports[port >> 6] |= _withConnections ? 1UL << port : 0;
            return _withConnections || protocol == PortProtocol.Udp;
        }

        for (int i = 0; i < 5; i++)
        {
            _ = NextField(ref line);
        }

        _ports[port >> 6] |= 1UL << port;
        if (state != Connected && Utf8Parser.TryParse(NextField(ref line), out long inode, out _))
        {
            _listeners.Add(new Listener(port, inode));
        }

        return true;
    }

    private static ReadOnlySpan<byte> NextField(ref ReadOnlySpan<byte> line)
    {
        line = line.TrimStart((byte)' ');
        int end = line.IndexOf((byte)' ');
        ReadOnlySpan<byte> field = end < 0 ? line : line[..end];
        line = line[field.Length..];
        return field;
    }
}
