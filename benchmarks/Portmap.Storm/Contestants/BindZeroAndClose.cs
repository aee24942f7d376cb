using System.Net;
using System.Net.Sockets;

namespace Portmap.Storm.Contestants;

/// <summary>Has the kernel choose, closes and hands out the number: the <c>int GetFreePort()</c> of
/// a thousand test helpers.</summary>
internal sealed class BindZeroAndClose : IPortPicker
{
    public int Pick()
    {
        while (true)
        {
            try
            {
                using TcpListener listener = new(IPAddress.Any, 0);
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // The adversary listened between its bind and its listen. Most helpers would throw;
                // in its favour this one tries again.
            }
        }
    }
}
