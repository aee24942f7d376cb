using System.Net;
using System.Net.Sockets;

namespace Portmap.Etcd.Tests.Support;

/// <summary>A machine that is gone: whoever connects hears nothing. It is a listener whose queue is
/// full, so that the kernel drops what comes.</summary>
internal sealed class FullListener : IDisposable
{
    private readonly Socket _listener = new(SocketType.Stream, ProtocolType.Tcp);
    private readonly Socket _first = new(SocketType.Stream, ProtocolType.Tcp);

    private FullListener(IPEndPoint here)
    {
        Endpoint = $"http://{here}";
        _listener.Bind(here);
        _listener.Listen(0);
    }

    public string Endpoint { get; }

    public static async Task<FullListener> StartAsync()
    {
        IPEndPoint here = new(PortBlock.TakeLoopback(), PortBlock.TakeOne());
        FullListener full = new(here);
        await full._first.ConnectAsync(here).Within();   // the one there is room for
        return full;
    }

    public void Dispose()
    {
        _first.Dispose();
        _listener.Dispose();
    }
}
