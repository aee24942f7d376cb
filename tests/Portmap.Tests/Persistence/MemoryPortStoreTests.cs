using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

public sealed class MemoryPortStoreTests : PortStoreContract, IAsyncDisposable
{
    private readonly MemoryPortStore _store = new();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    protected override IPortStore CreateStore() => _store;
}
