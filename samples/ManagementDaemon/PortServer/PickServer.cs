using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portmap;

namespace ManagementDaemon.PortServer;

/// <summary>Answers unmodified clients of portpicker: a process id and a line feed come in, a port
/// and a line feed go out, 0 when there is none.</summary>
internal sealed class PickServer(PortRegistry registry, PortServerAddress address, ILogger<PickServer> logger) : IHostedService, IDisposable
{
    private const int MostClients = 256;
    private const int LongestQuestion = 20;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly PickedPorts _picked = new(registry);
    private readonly SemaphoreSlim _seats = new(MostClients);
    private readonly CancellationTokenSource _end = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private Task _serving = Task.CompletedTask;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _picked.AdoptAsync();
        try
        {
            if (!address.IsAbstract && await IsLeftoverAsync(cancellationToken))
            {
                File.Delete(address.Text);
            }

            _listener.Bind(address.EndPoint);
            if (!address.IsAbstract && !OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(address.Text, UnixFileMode.UserRead | UnixFileMode.UserWrite);   // nobody can connect before Listen
            }

            _listener.Listen(MostClients);
        }
        catch (SocketException e)
        {
            throw new IOException($"The port server cannot listen at {address.Text}: {e.Message}. Another one may be there; stop it or choose another address.", e);
        }

        _serving = ServeAsync();
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _end.CancelAsync();
        await _serving;
        _listener.Dispose();   // removes its file too
    }

    public void Dispose()
    {
        _listener.Dispose();
        _seats.Dispose();
        _end.Dispose();
    }

    private async Task ServeAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            try
            {
                await _seats.WaitAsync(_end.Token);
                _ = AnswerAsync(await _listener.AcceptAsync(_end.Token));
            }
            catch (OperationCanceledException)
            {
                // The daemon ends.
            }
            catch (SocketException e)
            {
                _seats.Release();
                Log.ClientNotAccepted(logger, e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(100), CancellationToken.None);   // no descriptors, mostly: they come back
            }
        }
    }

    private async Task AnswerAsync(Socket client)
    {
        try
        {
            using Socket disposal = client;
            using CancellationTokenSource patience = new(s_patience);
            PortLease? lease = await QuestionAsync(client, patience.Token) is { } id && PickingProcess.Find(id) is { } process && process.IsAskedForBy(client)
                ? await _picked.PickAsync(process, patience.Token)
                : null;
            lease?.OpenGate();   // last: from here on anybody may bind the number
            await client.SendAsync(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{lease?.Port ?? 0}\n")), patience.Token);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // It went, or asked nothing in time; a port that was picked meanwhile goes back with
            // its process.
        }
        finally
        {
            _seats.Release();
        }
    }

    /// <summary>The process id, or null when it is none that can hold ports.</summary>
    private static async Task<int?> QuestionAsync(Socket client, CancellationToken cancellationToken)
    {
        byte[] question = new byte[LongestQuestion];
        int length = 0;
        while (length < question.Length && question.AsSpan(0, length).IndexOf((byte)'\n') < 0)
        {
            int more = await client.ReceiveAsync(question.AsMemory(length), cancellationToken);
            if (more == 0)
            {
                break;
            }

            length += more;
        }

        string text = Encoding.ASCII.GetString(question, 0, length);
        int end = text.IndexOf('\n', StringComparison.Ordinal);
        return int.TryParse(end < 0 ? text : text[..end], NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id > 1 ? id : null;   // 1: a client whose parent has gone
    }

    /// <summary>Whether a socket lies at the path that nobody listens on.</summary>
    private async Task<bool> IsLeftoverAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(address.Text))
        {
            return false;
        }

        try
        {
            using Socket caller = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await caller.ConnectAsync(address.EndPoint, cancellationToken);
            return false;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.ConnectionRefused && !CanBeOpened(address.Text);   // an ordinary file refuses too, and is no leftover of ours
        }
    }

    /// <summary>A socket cannot be opened as a file, whoever asks.</summary>
    private static bool CanBeOpened(string path)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
