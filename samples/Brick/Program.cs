// A brick of a volume: listens on the port it was given (or picks one itself; the daemon's choice,
// not visible here), signs in, and answers every client with one line that names it. SIGTERM ends
// it in order: it signs out.
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Portmap.Rpc;

using CancellationTokenSource stop = new();
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
try
{
    await using WorkerPort port = await WorkerPort.ListenAsync(cancellationToken: stop.Token);
    while (true)
    {
        _ = AnswerAsync(await port.Socket.AcceptAsync(stop.Token), port.Owner);
    }
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 0;
}
catch (Exception e)
{
    Console.Error.WriteLine($"brick: {e.Message}");
    return 1;
}

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}

static async Task AnswerAsync(Socket client, string owner)
{
    using (client)
    {
        try
        {
            await client.SendAsync(Encoding.UTF8.GetBytes($"brick {owner} pid {Environment.ProcessId}\n"));
        }
        catch (SocketException)
        {
            // The client left before it had its answer; the next one is served all the same.
        }
    }
}
