using System.Globalization;
using System.Net.Sockets;

namespace Portmap.Storm.Workers;

/// <summary>A connection to a port server, or of one: a line asks, a line answers.</summary>
internal sealed class PortServerLines : IDisposable
{
    public const string Ask = "port";
    public const string Noted = "noted";

    private static (string Path, PortServerLines Lines)? s_kept;

    private readonly StreamReader _reader;
    private readonly StreamWriter _writer;

    public PortServerLines(Socket socket)
    {
        NetworkStream stream = new(socket, ownsSocket: true);
        _reader = new StreamReader(stream);
        _writer = new StreamWriter(stream) { AutoFlush = true, NewLine = "\n" };
    }

    /// <summary>Has the server pick a number, listens there and says so.</summary>
    /// <exception cref="SocketException">Somebody else has it.</exception>
    public static async Task<(Serving Serving, int Port)> ListenAsync(string path)
    {
        if (s_kept is not { } kept || kept.Path != path)
        {
            s_kept?.Lines.Dispose();
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
            s_kept = kept = (path, new PortServerLines(socket));
        }

        await kept.Lines.WriteAsync(Ask);
        int port = int.Parse((await kept.Lines.ReadAsync())!, CultureInfo.InvariantCulture);
        var serving = Serving.OnNumber(port);
        await kept.Lines.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"{port}"));
        await kept.Lines.ReadAsync();
        return (serving, port);
    }

    public async Task<string?> ReadAsync()
    {
        try
        {
            return await _reader.ReadLineAsync();
        }
        catch (IOException)
        {
            return null;   // the other end is gone
        }
    }

    public Task WriteAsync(string line) => _writer.WriteLineAsync(line);

    public void Dispose()
    {
        _reader.Dispose();
        _writer.Dispose();
    }
}
