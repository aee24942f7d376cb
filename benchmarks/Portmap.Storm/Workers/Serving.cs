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
    private readonly Socket _socket;
    private readonly WorkerPort? _worker;

    private Serving(Socket socket, WorkerPort? worker, int retries)
    {
        (_socket, _worker, Retries) = (socket, worker, retries);
        _ = AcceptAsync();
    }

    /// <summary>How many numbers were taken before this one was not.</summary>
    public int Retries { get; }

    /// <summary>What a server does that is given a number.</summary>
    /// <exception cref="SocketException">Somebody else has it.</exception>
    public static Serving OnNumber(int port)
    {
        TcpListener listener = new(IPAddress.Any, port);
        try
        {
            listener.Start();
            return new Serving(listener.Server, worker: null, retries: 0);
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
        HealCounter heals = new();
        WorkerPort worker = await WorkerPort.ListenAsync(new WorkerPortOptions { Logger = heals, KeepConnection = TimeSpan.FromMinutes(1) });
        return new Serving(worker.Socket, worker, heals.Count);
    }

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
