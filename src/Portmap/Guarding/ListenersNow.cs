namespace Portmap.Guarding;

/// <summary>
/// Who listens on which port, for one pass: the kernel is asked once for each protocol.
/// </summary>
/// <remarks>Used by one thread.</remarks>
internal sealed class ListenersNow
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
            _byPort[(int)protocol] = PortSockets.Listening(protocol, port: 0)?.ToLookup(listener => listener.Port);
        }

        return _byPort[(int)protocol] is { } all ? [.. all[port]] : null;
    }
}
