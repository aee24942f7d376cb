using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Portmap.Rpc;

namespace Portmap.Storm.Workers;

/// <summary>A listening port of a child: answers every client with the process id, so that a client
/// knows whom it reached.</summary>
internal sealed class Serving : IAsyncDisposable
{
    private const int FirstPassed = 3;

    private readonly Socket _socket;
    private readonly WorkerPort? _worker;

    private Serving(Socket socket, WorkerPort? worker, string lost)
    {
        (_socket, _worker, Lost) = (socket, worker, lost);
        _ = AcceptAsync();
    }

    /// <summary>Which numbers were taken before this one was not, as <see cref="LostPorts"/> writes
    /// them.</summary>
    public string Lost { get; }

    /// <summary>What a server does that is given a number.</summary>
    /// <exception cref="SocketException">Somebody else has it.</exception>
    public static Serving OnNumber(int port)
    {
        TcpListener listener = new(IPAddress.Any, port);
        try
        {
            listener.Start();
            return new Serving(listener.Server, worker: null, lost: string.Empty);
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>What a worker of the registry does: the environment says the rest.</summary>
    public static async Task<Serving> AsWorkerAsync()
    {
        LostPorts lost = new();
        WorkerPort worker = await WorkerPort.ListenAsync(new WorkerPortOptions { Logger = lost, KeepConnection = TimeSpan.FromMinutes(1) });
        return new Serving(worker.Socket, worker, lost.ToString());
    }

    /// <summary>What a server does that is started with its socket: descriptor 3, sd_listen_fds(3).</summary>
    public static Serving OnPassedSocket() => new(new Socket(new SafeSocketHandle(FirstPassed, ownsHandle: true)), worker: null, lost: string.Empty);

    public async ValueTask DisposeAsync()
    {
        if (_worker is not null)
        {
            await _worker.DisposeAsync();
        }

        _socket.Dispose();
    }

    private async Task AcceptAsync()
    {
        byte[] answer = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n"));
        try
        {
            while (true)
            {
                _ = AnswerAsync(await _socket.AcceptAsync(), answer);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It was closed.
        }
    }

    private static async Task AnswerAsync(Socket client, byte[] answer)
    {
        using (client)
        {
            try
            {
                await client.SendAsync(answer);
                await client.ReceiveAsync(new byte[1]);   // the client closes first, and by a reset: nothing lingers on the port
            }
            catch (SocketException)
            {
                // So it did.
            }
        }
    }
}
