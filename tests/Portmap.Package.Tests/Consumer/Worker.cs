using System.Net;
using System.Net.Sockets;
using System.Text;
using Portmap.Rpc;

namespace Consumer;

/// <summary>Serves its name to one client on the port the daemon gave it, or on its own, then signs
/// out.</summary>
internal static class Worker
{
    public static async Task<int> RunAsync(string address)
    {
        await using (WorkerPort port = await WorkerPort.ListenAsync(new WorkerPortOptions { Address = IPAddress.Parse(address) }))
        {
            using Socket client = await port.Socket.AcceptAsync();
            await client.SendAsync(Encoding.UTF8.GetBytes($"this is {port.Owner}\n"));
        }

        Console.WriteLine("signed out");
        await Console.In.ReadToEndAsync();
        return 0;
    }
}
