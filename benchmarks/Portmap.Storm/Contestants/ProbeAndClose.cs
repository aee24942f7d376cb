using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Portmap.Storm.Contestants;

/// <summary>Binds a number of the range for a moment, lets it go and hands it out: glusterd,
/// Aspire, and most helpers.</summary>
/// <remarks>In its favour: it keeps the book, so that it never hands out what it has handed out
/// already; and it probes without SO_REUSEADDR, so that it sees every socket.</remarks>
internal sealed class ProbeAndClose : IPortPicker
{
    private readonly ConcurrentDictionary<int, bool> _used = [];

    public int Pick()
    {
        while (true)
        {
            int port = Random.Shared.Next(StormNamespace.Ports.First, StormNamespace.Ports.Last + 1);
            if (_used.TryAdd(port, true))
            {
                if (IsFree(port))
                {
                    return port;
                }

                Return(port);
            }
        }
    }

    public void Return(int port) => _used.TryRemove(port, out _);

    private static bool IsFree(int port)
    {
        try
        {
            // .NET's Bind sets SO_REUSEADDR on what it knows to be TCP.
            using Socket probe = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
            probe.Bind(new IPEndPoint(IPAddress.Any, port));
            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return false;
        }
    }
}
