namespace Portmap.Interleaving.Tests;

/// <summary>A claim in the fleet that notes whether it was given back.</summary>
internal sealed class GivenBack : IAsyncDisposable
{
    public bool IsGivenBack { get; private set; }

    public ValueTask DisposeAsync()
    {
        IsGivenBack = true;
        return ValueTask.CompletedTask;
    }
}
