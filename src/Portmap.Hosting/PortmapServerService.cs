using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>Opens the registry and serves it from before the host's other services start until
/// after they have stopped.</summary>
/// <remarks>It asks for options, registry and server only as it starts: the host makes all its
/// services before it has checked the options.</remarks>
internal sealed class PortmapServerService(IServiceProvider services, object? key, ILogger? logger) : IHostedLifecycleService, IAsyncDisposable
{
    private Task<PortRegistry>? _opening;
    private RegistryMetrics? _metrics;
    private PortmapServer? _server;

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (services.Opening(key) is { } opening)
        {
            _opening = opening.Value;
            await _opening.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        PortRegistry registry = services.Registry(key);   // the container's from here on, which disposes it after the server
        _metrics = new RegistryMetrics(registry, key, services.GetService<IMeterFactory>());
        _server = services.Server(key)!;
        await _server.StartAsync(cancellationToken).ConfigureAwait(false);
        if (logger is not null && registry.GetEndpoint() is null)
        {
            Log.WorkersNotTold(logger, _server.Endpoints[0]);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // The last step: services that stop workers have the registry and its server until they are
    // done.
    public Task StoppedAsync(CancellationToken cancellationToken) => _server?.StopAsync(cancellationToken) ?? Task.CompletedTask;

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
