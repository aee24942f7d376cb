using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>Stands between a brick and its daemon: hands on every byte, shows the daemon's answers,
/// and cuts the connection when told.</summary>
internal sealed class Forwarder : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly IPEndPoint _daemon;
    private readonly ConcurrentQueue<(Socket Brick, Socket Daemon)> _pairs = [];
    private readonly Channel<byte[]> _answers = Channel.CreateUnbounded<byte[]>();
    private readonly Task _accepting;

    /// <param name="address">Where the daemon listens, and this as well.</param>
    /// <param name="port">On which port this listens.</param>
    public Forwarder(IPAddress address, int port)
    {
        Port = port;
        _daemon = new IPEndPoint(address, GlusterDaemon.Port);
        _listener = new TcpListener(address, port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>The results of the daemon's next answer.</summary>
    public async Task<byte[]> AnswerAsync() => (await _answers.Reader.ReadAsync().Within())[24..];

    /// <summary>Ends every connection there is; new ones are forwarded again.</summary>
    /// <param name="daemonToo">Whether the daemon is told; otherwise its end stays open until this
    /// object goes.</param>
    public void Cut(bool daemonToo)
    {
        foreach ((Socket brick, Socket daemon) in _pairs)
        {
            brick.Close();
            if (daemonToo)
            {
                daemon.Close();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _accepting.Within();
        Cut(daemonToo: true);
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket brick;
            try
            {
                brick = await _listener.AcceptSocketAsync();
            }
            catch (SocketException)
            {
                return; // it was stopped
            }

            Socket daemon = new(SocketType.Stream, ProtocolType.Tcp);
            await daemon.ConnectAsync(_daemon).Within();
            _pairs.Enqueue((brick, daemon));
            _ = CallsAsync(new NetworkStream(brick), new NetworkStream(daemon));
            _ = AnswersAsync(new NetworkStream(daemon), new NetworkStream(brick));
        }
    }

    private static async Task CallsAsync(NetworkStream brick, NetworkStream daemon)
    {
        try
        {
            await brick.CopyToAsync(daemon);
        }
        catch (IOException)
        {
            // It was cut.
        }
    }

    private async Task AnswersAsync(NetworkStream daemon, NetworkStream brick)
    {
        try
        {
            while (true)
            {
                byte[] mark = new byte[4];
                await daemon.ReadExactlyAsync(mark);
                byte[] answer = new byte[BinaryPrimitives.ReadUInt32BigEndian(mark) & 0x7fff_ffff];
                await daemon.ReadExactlyAsync(answer);
                await brick.WriteAsync((byte[])[.. mark, .. answer]);
                _answers.Writer.TryWrite(answer);
            }
        }
        catch (IOException)
        {
            // It was cut, or one end is gone.
        }
    }
}
