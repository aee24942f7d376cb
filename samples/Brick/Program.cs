// A brick of a volume: listens on the port it was given (or picks one itself; the daemon's choice,
// not visible here), signs in, and answers every client with one line that names it. When the
// daemon gave it a port named "admin" as well, it says there how many clients it has had. SIGTERM
// ends it in order: it signs out.
//
// Brick [SECONDS]: how long it tries to reach the daemon. It is 30 without: a machine that starts
// many bricks at once is busy.
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Portmap.Rpc;

using CancellationTokenSource stop = new();
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
int clients = 0;
TimeSpan patience = TimeSpan.FromSeconds(args is [string seconds] ? int.Parse(seconds, CultureInfo.InvariantCulture) : 30);
try
{
    await using WorkerPort? admin = await ListenForAdminAsync();
    await using WorkerPort port = await WorkerPort.ListenAsync(new WorkerPortOptions { ConnectTimeout = patience }, stop.Token);
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

async Task<WorkerPort?> ListenForAdminAsync()
{
    if (Environment.GetEnvironmentVariable("PORTMAP_ADMIN_OWNER") is null)
    {
        return null;
    }

    WorkerPort port = await WorkerPort.ListenAsync(new WorkerPortOptions { Name = "admin", ConnectTimeout = patience }, stop.Token);
    _ = AdministerAsync(port);
    return port;
}

async Task AdministerAsync(WorkerPort port)
{
    try
    {
        while (true)
        {
            _ = SayAsync(await port.Socket.AcceptAsync(stop.Token), $"{port.Owner} pid {Environment.ProcessId} clients {Volatile.Read(ref clients)}\n");
        }
    }
    catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
    {
        // The brick ends.
    }
}

Task AnswerAsync(Socket client, string owner)
{
    Interlocked.Increment(ref clients);
    return SayAsync(client, $"brick {owner} pid {Environment.ProcessId}\n");
}

static async Task SayAsync(Socket client, string line)
{
    using (client)
    {
        try
        {
            await client.SendAsync(Encoding.UTF8.GetBytes(line));
        }
        catch (SocketException)
        {
            // The client left before it had its answer; the next one is served all the same.
        }
    }
}
