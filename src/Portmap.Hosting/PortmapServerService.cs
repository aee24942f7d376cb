using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>Opens the registry and serves it from before the host's other services start until
/// after they have stopped.</summary>
/// <remarks>The host makes all its services before it checks the options, and one of them may take
/// the registry in its constructor, which opens it. So this one comes first, checks the options as
/// it is made, and asks for registry and server only as it starts.</remarks>
internal sealed class PortmapServerService : IHostedLifecycleService, IAsyncDisposable
{
    private readonly IServiceProvider _services;
    private readonly IServiceCollection _added;
    private readonly object? _key;
    private readonly ILogger? _logger;
    private Task<PortRegistry>? _opening;
    private RegistryMetrics? _metrics;
    private PortmapServer? _server;

    /// <param name="services">What the host has made.</param>
    /// <param name="added">What it was told to make.</param>
    /// <param name="key">The key of the registry and the server.</param>
    /// <exception cref="OptionsValidationException">Options are wrong, of whatever kind.</exception>
    /// <exception cref="AggregateException">Options of several kinds are.</exception>
    public PortmapServerService(IServiceProvider services, IServiceCollection added, object? key)
    {
        (_services, _added, _key) = (services, added, key);
        _logger = services.GetService<ILoggerFactory>()?.CreateLogger(typeof(PortmapServer).FullName!);
        services.GetService<IStartupValidator>()?.Validate();
    }

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (_services.Opening(_added, _key) is { } opening)
        {
            _opening = opening.Value;
            await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        PortRegistry registry = _services.Registry(_key);   // the container's from here on, which disposes it after the server
        StoreTrial.NoteEarlier(registry);
        _metrics = new RegistryMetrics(registry, _key, _services.GetService<IMeterFactory>());
        _server = _services.Server(_key)!;
        await _server.StartAsync(cancellationToken).ConfigureAwait(false);
        if (_logger is not null && registry.GetEndpoint() is null)
        {
            Log.WorkersNotTold(_logger, _server.Endpoints[0]);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // The last step: services that stop workers have the registry and its server until they are
    // done.
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await (_server?.StopAsync(cancellationToken) ?? Task.CompletedTask).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The others took all of the host's time. The server ends all the same, and its disposal
            // waits for that.
        }
    }

    /// <summary>Disposes what the container does not have, among it a registry whose opening the
    /// host did not wait for.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_metrics is not null)
        {
            await _metrics.DisposeAsync().ConfigureAwait(false);
        }

        if (_opening is not null && _server is null)
        {
            await ((Task)_opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_opening.IsCompletedSuccessfully)
            {
                await (await _opening.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            }
        }
    }
}
