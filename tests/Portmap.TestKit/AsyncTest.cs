using Xunit;

namespace Portmap.TestKit;

/// <summary>A test class that is disposed asynchronously.</summary>
/// <remarks>xunit 2 does not know <see cref="IAsyncDisposable"/>: a test class with nothing else is
/// never disposed, and its daemons go on beside the tests that follow.</remarks>
public abstract class AsyncTest : IAsyncLifetime, IAsyncDisposable
{
    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    Task IAsyncLifetime.InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();
}
