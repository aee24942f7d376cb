using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Programs;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc;

/// <summary>
/// Serves a registry to the processes of the host: ONC RPC over Unix sockets and TCP, with the
/// Portmap, Gluster Portmap and GF-DUMP programs and those of the host.
/// </summary>
/// <remarks>
/// Safe for any thread. It does not own the registry: dispose the server first. It can be started
/// once.
/// </remarks>
public sealed class PortmapServer : IAsyncDisposable
{
    private readonly string[] _wanted;
    private readonly bool _allowRemote;
    private readonly SocketFileOptions _socketFile;
    private readonly int _wantedConnections;
    private readonly ServerContext _context;
    private readonly ProgramTable _programs;
    private readonly List<EndpointListener> _listeners = [];
    private readonly List<Task> _accepting = [];
    private readonly CancellationTokenSource _stopping = new();
    private ConnectionSet? _connections;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private bool _isStarted;
    private Task? _stopped;

    /// <summary>Makes a server; it listens after <see cref="StartAsync"/>.</summary>
    /// <param name="registry">What it serves.</param>
    /// <param name="options">Where and how; null takes the defaults.</param>
    /// <param name="logger">Where it reports; null reports nothing.</param>
    /// <param name="timeProvider">The clock of long polls; null takes the system's.</param>
    /// <exception cref="ArgumentNullException"><paramref name="registry"/> is null.</exception>
    /// <exception cref="ArgumentException">Options are out of their bounds, and the message names
    /// each; or two programs have one number and version.</exception>
    public PortmapServer(PortRegistry registry, PortmapServerOptions? options = null, ILogger<PortmapServer>? logger = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(registry);
        options ??= new PortmapServerOptions();
        Check(options);
        _wanted = [.. options.Endpoints];
        _allowRemote = options.AllowRemote;
        _socketFile = SocketFileOptions.Of(options);
        _wantedConnections = options.MaxConnections;
        _context = new ServerContext(registry, options, ContainedLogger.Of(logger), timeProvider ?? TimeProvider.System);
        _programs = ServerPrograms.Of(_context, options.Programs);
    }

    /// <summary>
    /// Where it listens, with the ports that the kernel chose; empty before
    /// <see cref="StartAsync"/> and after the stop.
    /// </summary>
    public IReadOnlyList<PortmapEndpoint> Endpoints { get; private set; } = [];

    /// <summary>Listens on every endpoint, or on none.</summary>
    /// <param name="cancellationToken">Gives up waiting for another start or stop.</param>
    /// <exception cref="FormatException">An endpoint is not one, or its socket path is relative or
    /// longer than 107 bytes.</exception>
    /// <exception cref="IOException">An endpoint is taken by a live daemon, or cannot be listened
    /// on; the message names it and says what to do.</exception>
    /// <exception cref="InvalidOperationException">It was started before, or an address is not
    /// loopback and <see cref="PortmapServerOptions.AllowRemote"/> is off.</exception>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isStarted || _stopped is not null)
            {
                throw new InvalidOperationException("A server starts once; make another one.");
            }

            Open([.. _wanted.Length == 0 ? [PortmapEndpoint.Default] : _wanted.Select(PortmapEndpoint.Parse)]);
            _isStarted = true;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// Stops listening and ends every connection; the registry gives their registrations its grace.
    /// Idempotent.
    /// </summary>
    /// <param name="cancellationToken">Gives up waiting for connections to end; they end all the
    /// same.</param>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        await _gate.WaitAsync(CancellationToken.None).ConfigureAwait(false);   // held for moments; whoever has no time left stops it too
        Task stopped;
        try
        {
            stopped = _stopped ??= StopOnceAsync();
        }
        finally
        {
            _gate.Release();
        }

        await stopped.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    // Whoever waits for it may give up; it does not.
    private async Task StopOnceAsync()
    {
        _context.Metrics.Dispose();
        int open = _connections?.Count ?? 0;
        await _stopping.CancelAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // what a program of the host throws in it
        Close();
        if (_connections is not null)
        {
            await Task.WhenAll(_accepting).ConfigureAwait(false);
            await _connections.EndAsync().ConfigureAwait(false);
            _connections.Dispose();
            Log.ServerStopped(_context.Logger, open);
        }
    }

    /// <summary>Stops, if it runs.</summary>
    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    private static void Check(PortmapServerOptions options)
    {
        string wrong = string.Join(' ', [.. SocketFileOptions.Complaints(options), .. ServerLimits.Complaints(options)]);
        if (wrong.Length != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(options), wrong);
        }
    }

    /// <summary>At the start who has set the limit; else whoever comes near it, once.</summary>
    private void TellLowered() => Log.ConnectionsLowered(_context.Logger, _wantedConnections, _context.Limits.Connections);

    private void Open(PortmapEndpoint[] endpoints)
    {
        try
        {
            foreach (PortmapEndpoint endpoint in endpoints)
            {
                if (endpoint.Path is { } path && !Path.IsPathFullyQualified(path))
                {
                    throw new FormatException($"The socket path of {endpoint} is relative, and its workers have other current folders than this process; write an absolute one, for example unix:{Path.GetFullPath(path)}.");
                }

                if (IsRemote(endpoint) && !_allowRemote)
                {
                    throw new InvalidOperationException(
                        $"{endpoint} can be reached from other hosts and the wire knows no authentication; choose a loopback address, or set AllowRemote if that is what you want.");
                }

                _listeners.Add(EndpointListener.Open(endpoint, _socketFile, path => Log.LeftoverReplaced(_context.Logger, path)));
            }
        }
        catch
        {
            Close();
            throw;
        }

        Endpoints = [.. _listeners.Select(listener => listener.Endpoint)];
        bool isLowered = _context.Limits.Connections < _wantedConnections, isSet = _wantedConnections != new PortmapServerOptions().MaxConnections;
        _connections = new ConnectionSet(_context, _programs, _stopping.Token) { NearlyFull = isLowered && !isSet ? TellLowered : null };
        _context.Metrics.ObserveConnections(() => _stopped is not null ? null : _connections.Count);
        if (isLowered && isSet)
        {
            TellLowered();
        }

        foreach (EndpointListener listener in _listeners)
        {
            _accepting.Add(_connections.AcceptAsync(listener));
            Log.ServerListening(_context.Logger, listener.Endpoint);
            if (IsRemote(listener.Endpoint))
            {
                Log.RemoteEndpoint(_context.Logger, listener.Endpoint);
            }
        }
    }

    private static bool IsRemote(PortmapEndpoint endpoint) => endpoint.Address is { } address && !System.Net.IPAddress.IsLoopback(address.Address);

    private void Close()
    {
        _listeners.ForEach(listener => listener.Dispose());
        _listeners.Clear();
        Endpoints = [];
    }
}
