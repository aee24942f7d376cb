using System.Net;

namespace Portmap.Guarding;

/// <summary>
/// Who listens on which port, for one pass: the kernel is asked once for each protocol.
/// </summary>
/// <remarks>Used by one thread.</remarks>
/// <param name="host">The host that is asked, when it is made up.</param>
/// <param name="counted">Who counts how often the kernel is asked.</param>
internal sealed class ListenersNow(SimulatedHost? host, ListenReader? counted = null)
{
    private readonly PortSocket[]?[] _sockets = new PortSocket[]?[2];   // by port, ascending
    private readonly int[]?[]?[] _begins = new int[]?[]?[2];   // for 256 ports each: where those of a port begin, and those of the next
    private readonly bool[] _isAsked = new bool[2];
    private readonly ListenTable?[] _tables = new ListenTable?[2];

    /// <summary>
    /// The sockets that listen on a port; none where nobody does in this network.
    /// </summary>
    /// <returns>Null where the kernel cannot be asked.</returns>
    public ArraySegment<PortSocket>? On(PortProtocol protocol, int port)
    {
        if (All(protocol) is not { } sockets)
        {
            return null;
        }

        return _begins[(int)protocol]![port >> 8] is { } begins
            ? new ArraySegment<PortSocket>(sockets, begins[port & 255], begins[(port & 255) + 1] - begins[port & 255])
            : ArraySegment<PortSocket>.Empty;
    }

    /// <summary>The same as a table; read from /proc/net where the kernel cannot be
    /// asked.</summary>
    public ListenTable Table(PortProtocol protocol) =>
        _tables[(int)protocol] ??= host is not null ? ListenTable.Of(host, protocol)
            : All(protocol) is { } sockets ? ListenTable.Of(sockets) : ListenTable.Read(protocol);

    private PortSocket[]? All(PortProtocol protocol)
    {
        if (!_isAsked[(int)protocol])
        {
            _isAsked[(int)protocol] = true;
            counted?.NoteRead();
            if (Listening(protocol) is { } listed)
            {
                PortSocket[] asListed = [.. listed];
                long[] order = new long[asListed.Length];   // port and place: words are sorted faster than sockets
                for (int i = 0; i < order.Length; i++)
                {
                    order[i] = ((long)asListed[i].Port << 32) | (uint)i;
                }

                Array.Sort(order);
                _sockets[(int)protocol] = Array.ConvertAll(order, place => asListed[(int)place]);
                _begins[(int)protocol] = BeginsOf(order);
            }
        }

        return _sockets[(int)protocol];
    }

    private static int[]?[] BeginsOf(long[] order)
    {
        int[]?[] begins = new int[]?[256];
        for (int from = 0, next; from < order.Length; from = next)
        {
            int[] chunk = begins[order[from] >> 40] = new int[257];
            chunk.AsSpan().Fill(from);
            for (next = from; next < order.Length && order[next] >> 40 == order[from] >> 40; next++)
            {
                chunk[(int)(order[next] >> 32 & 255) + 1] = next + 1;
            }

            for (int i = 1; i < chunk.Length; i++)
            {
                chunk[i] = Math.Max(chunk[i], chunk[i - 1]);   // ports without any
            }
        }

        return begins;
    }

    private IEnumerable<PortSocket>? Listening(PortProtocol protocol) => host is null
        ? PortSockets.Listening(protocol, port: 0)
        : host.Sockets(protocol, 0).Where(socket => socket.Listens)
            .Select(socket => new PortSocket(socket.Port, IPAddress.IPv6Any, IsV6Only: false, Listens: true, UserId: 0, socket.ProcessId));
}
