namespace Portmap.Hosting.Tests;

/// <summary>A host that is disposed as a daemon's is: asynchronously.</summary>
internal sealed class AsyncHost(IHost host) : IAsyncDisposable
{
    public IHost Host => host;

    public Task StartAsync() => host.StartAsync().Within();

    public Task StopAsync() => host.StopAsync().Within();

    public ValueTask DisposeAsync() => new(((IAsyncDisposable)host).DisposeAsync().AsTask().Within());
}
