using System.Buffers;
using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace Portmap.Guarding;

/// <summary>Who listens, as /proc/net says (proc(5)): one read answers for all ports.</summary>
/// <remarks>
/// A port counts as listened on when a TCP socket is in state LISTEN (0A), or a UDP socket is bound
/// (07, or 01 once it is connected). The kernel lists its listening TCP sockets before all others
/// (tcp_seq_start), so the read ends at the first other one: it costs what the listeners cost,
/// however many connections there are. Immutable once read. Linux only.
/// </remarks>
internal sealed class ListenTable
{
    private const int BufferSize = 32_768;
    /// <summary>
    /// Where the kernel lists what our own network has. /proc/net leads there, but is not there
    /// itself when /proc shows processes only (subset=pid).
    /// </summary>
    public const string OwnFolder = "/proc/self/net";

    private const int Listening = 0x0A, Bound = 0x07, Connected = 0x01;   // net/tcp_states.h

    private readonly ulong[] _ports = new ulong[65_536 / 64];
    private readonly List<Listener> _listeners = [];
    private bool _withConnections;
    private ILookup<int, Listener>? _byPort;   // made when it is asked for; two threads make two

    /// <summary>Both families were read to their end.</summary>
    /// <remarks>
    /// One that was not, for want of a descriptor say, must not count as "nobody listens".
    /// </remarks>
    public bool IsComplete => WhyIncomplete is null;

    /// <summary>It is of a host that is made up, where a process is its sockets.</summary>
    public bool IsSimulated { get; private init; }

    /// <summary>What could not be read, and why; null when all was.</summary>
    public string? WhyIncomplete { get; private set; }

    /// <summary>
    /// It is not for want of a descriptor or of memory that it could not be read: trying again will
    /// not help.
    /// </summary>
    public bool IsUnreadable { get; private set; }

    private ListenTable()
    {
    }

    /// <summary>A socket that listens.</summary>
    /// <param name="Port">Its port.</param>
    /// <param name="Inode">What its descriptors lead to.</param>
    /// <param name="User">Whose it is.</param>
    /// <param name="IsConnected">A UDP socket that has a peer: it serves that one only.</param>
    internal readonly record struct Listener(ushort Port, long Inode, uint User, bool IsConnected);

    /// <summary>All of them.</summary>
    public IReadOnlyList<Listener> Listeners => _listeners;

    /// <summary>Reads both families. A host without IPv6 has none of its listeners.</summary>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="folder">
    /// Our own, or that of a process, which may have a network of its own.
    /// </param>
    public static ListenTable Read(PortProtocol protocol, string folder = OwnFolder)
    {
        ListenTable table = new();
        string name = protocol == PortProtocol.Udp ? "udp" : "tcp";
        _ = table.TryReadFile($"{folder}/{name}", protocol) && table.TryReadFile($"{folder}/{name}6", protocol, isOptional: true);
        return table;
    }

    /// <summary>Who listens in a host that is made up.</summary>
    public static ListenTable Of(SimulatedHost host, PortProtocol protocol)
    {
        ListenTable table = new() { IsSimulated = true };
        foreach ((int port, int processId, bool listens) in host.Sockets(protocol, 0))
        {
            if (listens)
            {
                table._ports[port >> 6] |= 1UL << port;
                table._listeners.Add(new Listener((ushort)port, processId, User: uint.MaxValue, IsConnected: false));
            }
        }

        return table;
    }

    /// <summary>What the kernel listed already.</summary>
    public static ListenTable Of(IReadOnlyCollection<PortSocket> listeners)
    {
        ListenTable table = new();
        table._listeners.EnsureCapacity(listeners.Count);
        foreach (PortSocket listener in listeners)
        {
            table._ports[listener.Port >> 6] |= 1UL << listener.Port;
            table._listeners.Add(new Listener((ushort)listener.Port, listener.Inode, listener.UserId, listener.IsConnected));
        }

        return table;
    }

    /// <summary>Who listens on one port now; where that cannot be asked for, all that listen.</summary>
    public static ListenTable On(PortProtocol protocol, int port) =>
        PortSockets.Listening(protocol, port) is { } listeners ? Of(listeners) : Read(protocol);

    /// <summary>Whether anybody listens on a port now; null when that could not be read.</summary>
    public static bool? IsListenedOn(PortProtocol protocol, int port)
    {
        if (PortSockets.Listening(protocol, port) is { } listeners)
        {
            return listeners.Count != 0;
        }

        ListenTable table = Read(protocol);
        return table.Listens(port) ? true : table.IsComplete ? false : null;
    }

    /// <summary>The sockets of a process; null where they may not be read.</summary>
    public HashSet<long>? SocketsOf(int processId) => IsSimulated ? [processId] : ProcessSockets.Of(processId);

    /// <summary>
    /// Whether TCP connections of a port are left, in TIME_WAIT or alive: then these keep a strict
    /// bind from it. A socket that is bound and silent is not listed. Reads all connections, which
    /// may be many; where that cannot be done, the answer is yes.
    /// </summary>
    public static bool HasConnections(int port, string folder = OwnFolder)
    {
        ListenTable table = new() { _withConnections = true };
        return !table.TryReadFile($"{folder}/tcp", PortProtocol.Tcp) || !table.TryReadFile($"{folder}/tcp6", PortProtocol.Tcp, isOptional: true) || table.Listens(port);
    }

    public bool Listens(int port) => (_ports[port >> 6] >> port & 1) != 0;

    /// <summary>Whether one of these sockets listens on the port.</summary>
    public bool Listens(int port, HashSet<long> inodes)
    {
        foreach (Listener listener in (_byPort ??= _listeners.ToLookup(listener => (int)listener.Port))[port])
        {
            if (inodes.Contains(listener.Inode))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The sockets that listen on a port: one, or one for each address.</summary>
    public IEnumerable<long> SocketsOn(int port) => _listeners.Where(listener => listener.Port == port && !listener.IsConnected).Select(listener => listener.Inode);

    /// <summary>The oldest process that listens on a port; 0 where none can be seen. Looks at all
    /// processes.</summary>
    public int HolderOf(int port) => IsSimulated
        ? (int)SocketsOn(port).FirstOrDefault()
        : ProcessSockets.HoldersOf(SocketsOn(port).ToHashSet()).Select(holder => holder.ProcessId).FirstOrDefault();

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
                    if (isHeader && rest[..end].IndexOf("local_address"u8) < 0)
                    {
                        return Fail(path, "it does not begin as the kernel's list does");
                    }

                    if (!isHeader && !TryAdd(rest[..end], protocol))
                    {
                        return true;
                    }

                    isHeader = false;
                }

                rest.CopyTo(buffer);   // the line that is not whole yet
                kept = rest.Length;
            }

            return !isHeader || Fail(path, "it is empty");   // something else lies over it: "nobody listens" would still have the header
        }
        catch (FileNotFoundException) when (isOptional)
        {
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return Fail(path, exception.Message, isLasting: exception is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private bool Fail(string path, string why, bool isLasting = true)
    {
        IsUnreadable = isLasting;
        WhyIncomplete = $"{path} cannot be read: {why}";
        return false;
    }

    /// <summary>Takes one line in; false when nobody below it listens.</summary>
    private bool TryAdd(ReadOnlySpan<byte> line, PortProtocol protocol)
    {
        // sl local_address:port rem_address:port st tx_queue:rx_queue tr:tm->when retrnsmt uid
        // timeout inode …
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

        for (int i = 0; i < 3; i++)
        {
            _ = NextField(ref line);
        }

        bool hasUser = Utf8Parser.TryParse(NextField(ref line), out uint user, out _);
        _ = NextField(ref line);
        _ports[port >> 6] |= 1UL << port;
        if (Utf8Parser.TryParse(NextField(ref line), out long inode, out _))
        {
            _listeners.Add(new Listener(port, inode, hasUser ? user : uint.MaxValue, protocol == PortProtocol.Udp && state == Connected));
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
