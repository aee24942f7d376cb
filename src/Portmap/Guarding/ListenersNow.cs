using System.Net;

namespace Portmap.Guarding;

/// <summary>
/// Who listens on which port, for one pass: the kernel is asked once for each protocol.
/// </summary>
/// <remarks>Used by one thread.</remarks>
internal sealed class ListenersNow(SimulatedHost? host)
{
    private readonly ILookup<int, PortSocket>?[] _byPort = new ILookup<int, PortSocket>?[2];
    private readonly bool[] _isAsked = new bool[2];

    /// <summary>
    /// The sockets that listen on a port; none where nobody does in this network.
    /// </summary>
    /// <returns>Null where the kernel cannot be asked.</returns>
    public IReadOnlyList<PortSocket>? On(PortProtocol protocol, int port)
    {
        if (!_isAsked[(int)protocol])
        {
            _isAsked[(int)protocol] = true;
            _byPort[(int)protocol] = Listening(protocol)?.ToLookup(listener => listener.Port);
        }

        return _byPort[(int)protocol] is { } all ? [.. all[port]] : null;
    }

    private IEnumerable<PortSocket>? Listening(PortProtocol protocol) => host is null
        ? PortSockets.Listening(protocol, port: 0)
        : host.Sockets(protocol, 0).Where(socket => socket.Listens)
            .Select(socket => new PortSocket(socket.Port, IPAddress.IPv6Any, IsV6Only: false, Listens: true, UserId: 0, socket.ProcessId));
}
