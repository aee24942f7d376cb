using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Portmap.Storm.Workers;

namespace Portmap.Storm.Contestants;

/// <summary>The least that a daemon can be: workers ask it for a number at a Unix socket, and say when
/// they listen. What such a daemon costs more than a number that is told.</summary>
/// <remarks>In its favour: it keeps the book in a dictionary, reads one line at a time, asks nobody
/// who he is, and a worker keeps its connection. As many calls as a worker of the registry makes, in
/// the same way: by .NET's sockets, asynchronously.</remarks>
internal sealed class PortServerContestant : IContestant
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portmap-storm-");
    private readonly ProbeAndClose _picker = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public PortServerContestant(string name)
    {
        Name = name;
        _listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(_folder.FullName, "ports.sock")));
        _listener.Listen();
        _ = AcceptAsync();
    }

    public string Name { get; }

    public async Task<HandOff> HandOverAsync(LineProcess worker, string owner)
    {
        long began = Stopwatch.GetTimestamp();
        string answer = await worker.AskAsync(WorkerCommand.Asks + Path.Combine(_folder.FullName, "ports.sock"));
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        return answer.StartsWith(WorkerCommand.Listening, StringComparison.Ordinal)
            ? new HandOff(int.Parse(answer.AsSpan(WorkerCommand.Listening.Length), CultureInfo.InvariantCulture), took, [], null)
            : new HandOff(0, took, [], answer);
    }

    public Task<(HandOff HandOff, IChild Process)> StartAsync(string owner) => throw new NotSupportedException();

    public void Closed(HandOff handOff) => _picker.Return(handOff.Port);

    public ValueTask DisposeAsync()
    {
        _listener.Dispose();
        _folder.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptAsync());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It was closed.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using PortServerLines lines = new(socket);
        while (await lines.ReadAsync() is { } line)
        {
            await lines.WriteAsync(line == PortServerLines.Ask ? _picker.Pick().ToString(CultureInfo.InvariantCulture) : PortServerLines.Noted);
        }
    }
}
