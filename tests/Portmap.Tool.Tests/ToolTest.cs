using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Portmap.Integration.Tests;

namespace Portmap.Tool.Tests;

/// <summary>A folder with a socket, a daemon when wanted, and the tool that is asked about
/// it.</summary>
public abstract class ToolTest : IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _owned = [];
    private readonly List<Socket> _sockets = [];

    private protected TempFolder Folder { get; } = new();

    private protected string SocketPath => Folder["s"];

    private protected string Endpoint => $"unix:{SocketPath}";

    private protected string StateFolder => Folder["state"];

    private protected ChildProcess Daemon { get; private set; } = null!;

    public virtual Task InitializeAsync() => Task.CompletedTask;

    public virtual async Task DisposeAsync()
    {
        _owned.Reverse();
        foreach (IAsyncDisposable owned in _owned)
        {
            await owned.DisposeAsync();
        }

        _sockets.ForEach(socket => socket.Dispose());
        Folder.Dispose();
    }

    private protected async Task ServeAsync()
    {
        Daemon = await Programs.ServeAsync(SocketPath, "--range", PortBlock.Take(20).ToString(), "--state", StateFolder);
        _owned.Add(Daemon);
    }

    /// <summary>Runs the tool to its end, its output a pipe.</summary>
    private protected async Task<Outcome> RunAsync(params IEnumerable<string> arguments)
    {
        await using ChildProcess tool = Start(arguments);
        IReadOnlyList<string> lines = await tool.ReadToEndAsync();
        return new Outcome(await tool.ExitAsync(), lines, tool.Errors);
    }

    private protected ChildProcess Start(params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = Programs.Tool;
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;
        return ChildProcess.Start(start, Patiently(arguments));
    }

    /// <summary>Gives a busy machine time for the answer of the daemon, where there is one and the
    /// line does not say how long to wait for it.</summary>
    private string[] Patiently(IEnumerable<string> arguments)
    {
        string[] line = [.. arguments];
        return Daemon is null || line is ["complete", ..] || line.Contains("--timeout") ? line : [.. line, "--timeout", "30"];
    }

    /// <summary>Runs the tool as root without its right to enter what belongs to another user, as a
    /// folder does from then on.</summary>
    private protected async Task<Outcome> RunShutOutAsync(string folder, params IEnumerable<string> arguments)
    {
        const string Script = "chmod 700 \"$0\" && chown 65534 \"$0\" && exec setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"";
        ProcessStartInfo start = Programs.Tool;
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;
        string tool = start.FileName;
        start.FileName = "sh";
        await using ChildProcess process = ChildProcess.Start(start, ["-c", Script, folder, tool, .. arguments]);
        IReadOnlyList<string> lines = await process.ReadToEndAsync();
        return new Outcome(await process.ExitAsync(), lines, process.Errors);
    }

    /// <summary>Runs the tool with its temporary files in a folder that is reached over a link of
    /// another user, as no state may be.</summary>
    private protected async Task<Outcome> RunOverALinkAsync(params IEnumerable<string> arguments)
    {
        Directory.CreateDirectory(Folder["tmp"]);
        File.CreateSymbolicLink(Folder["link"], Folder["tmp"]);
        ProcessStartInfo start = Programs.Tool;
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;
        start.Environment["TMPDIR"] = Folder["link"];
        string tool = start.FileName;
        start.FileName = "sh";
        await using ChildProcess process = ChildProcess.Start(start, ["-c", "chown -h 65534 \"$TMPDIR\" && exec \"$0\" \"$@\"", tool, .. arguments]);
        IReadOnlyList<string> lines = await process.ReadToEndAsync();
        return new Outcome(await process.ExitAsync(), lines, process.Errors);
    }

    /// <summary>Registers a port that this process listens on.</summary>
    private protected async Task<PortEntry> RegisterAsync(string owner)
    {
        PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within();
        _owned.Add(client);
        return await client.RegisterAsync(new PortClaimRequest(owner, ListenOn(IPAddress.Loopback))).Within();
    }

    private protected int ListenOn(IPAddress address)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(socket);
        socket.Bind(new IPEndPoint(address, 0));
        socket.Listen();
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Starts a worker of its own, which is registered when this returns.</summary>
    private protected async Task<(ChildProcess Worker, PortEntry Entry)> StartWorkerAsync(string owner)
    {
        await using PortmapClient client = await PatientClient.ConnectAsync(PortmapEndpoint.Parse(Endpoint)).Within();
        using CancellationTokenSource end = Deadline.Source();
        ProcessStartInfo start = Programs.Worker;
        start.Environment["PORTMAP_ENDPOINT"] = Endpoint;
        start.Environment["PORTMAP_OWNER"] = owner;
        ChildProcess worker = ChildProcess.Start(start);
        _owned.Add(worker);
        await foreach (PortUpdate update in client.WatchAsync(cancellationToken: end.Token))
        {
            IEnumerable<PortEntry> entries = [.. update.Snapshot?.Entries ?? [], .. update.Changes.Select(change => change.Entry)];
            if (entries.FirstOrDefault(entry => entry.Owner == owner && entry.State == PortState.Bound) is { Port: > 0 } entry)
            {
                return (worker, entry);
            }
        }

        throw new InvalidOperationException("The watch ended by itself.");
    }
}
