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
    private readonly int[]?[] _ports = new int[]?[2];
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

        int[] ports = _ports[(int)protocol]!;
        int found = Array.BinarySearch(ports, port);
        if (found < 0)
        {
            return ArraySegment<PortSocket>.Empty;
        }

        int first = found, end = found + 1;
        while (first > 0 && ports[first - 1] == port)
        {
            first--;
        }

        while (end < ports.Length && ports[end] == port)
        {
            end++;
        }

        return new ArraySegment<PortSocket>(sockets, first, end - first);
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
                PortSocket[] sockets = [.. listed];
                int[] ports = Array.ConvertAll(sockets, socket => socket.Port);
                Array.Sort(ports, sockets);
                (_sockets[(int)protocol], _ports[(int)protocol]) = (sockets, ports);
            }
        }

        return _sockets[(int)protocol];
    }

    private IEnumerable<PortSocket>? Listening(PortProtocol protocol) => host is null
        ? PortSockets.Listening(protocol, port: 0)
        : host.Sockets(protocol, 0).Where(socket => socket.Listens)
            .Select(socket => new PortSocket(socket.Port, IPAddress.IPv6Any, IsV6Only: false, Listens: true, UserId: 0, socket.ProcessId));
}
