// Snapd: a server that makes its own listening socket, as most existing ones do, and only then
// signs in with it. It answers every client with one line that names the volume whose snapshots it
// serves.
//
// Snapd [SECONDS]: how long it tries to reach the daemon, 30 without.
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Portmap.Rpc;

using CancellationTokenSource stop = new();
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
TimeSpan patience = TimeSpan.FromSeconds(args is [string seconds] ? int.Parse(seconds, CultureInfo.InvariantCulture) : 30);
try
{
    using TcpListener listener = new(IPAddress.Loopback, port: 0);
    listener.Start();
    await using WorkerPort port = await WorkerPort.SignInAsync(listener.Server, new WorkerPortOptions { ConnectTimeout = patience }, stop.Token);
    string volume = port.Owner[(port.Owner.IndexOf(':', StringComparison.Ordinal) + 1)..];
    while (true)
    {
        using Socket client = await listener.AcceptSocketAsync(stop.Token);
        try
        {
            await client.SendAsync(Encoding.UTF8.GetBytes($"snapd {port.Owner} serves the snapshots of {volume}\n"), stop.Token);
        }
        catch (SocketException)
        {
            // The client left before it had its answer; the next one is served all the same.
        }
    }
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 0;
}
catch (Exception e)
{
    Console.Error.WriteLine($"snapd: {e.Message}");
    return 1;
}

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}
