using System.Net.Sockets;

namespace Portmap.Storm.Weather;

/// <summary>The newest sockets stay open; the oldest is closed for each new one.</summary>
internal sealed class SocketRing(int size)
{
    private readonly Socket?[] _sockets = new Socket?[size];
    private int _next;

    public void Add(Socket socket)
    {
        _sockets[_next]?.Dispose();
        _sockets[_next] = socket;
        _next = (_next + 1) % _sockets.Length;
    }
}
