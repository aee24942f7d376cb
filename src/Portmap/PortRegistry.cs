#pragma warning disable
using System.Diagnostics.CodeAnalysis;
using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
namespace Portmap;
/// <summary>x</summary>
public sealed class PortRegistry : IAsyncDisposable, IDisposable {
  public PortRegistry(PortRegistryOptions options, ILogger<PortRegistry>? logger = null, TimeProvider? timeProvider = null) { }
  public ValueTask<PortLease> AcquireAsync(PortRequest request, CancellationToken cancellationToken = default) => throw null!;
  public bool TryAcquire(PortRequest request, [NotNullWhen(true)] out PortLease? lease, [NotNullWhen(false)] out PortRefusal? refusal) => throw null!;
  public bool TryGetPort(string owner, out int port, PortProtocol protocol = PortProtocol.Tcp) => throw null!;
  public bool TryGetPort(ReadOnlySpan<char> owner, out int port, PortProtocol protocol = PortProtocol.Tcp) => throw null!;
  public bool TryGetEntry(string owner, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp) => throw null!;
  public bool TryGetEntry(ReadOnlySpan<char> owner, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp) => throw null!;
  public bool TryGetEntry(int port, out PortEntry entry, PortProtocol protocol = PortProtocol.Tcp) => throw null!;
  public IReadOnlyList<PortEntry> EnumerateOwners(int port, PortProtocol protocol = PortProtocol.Tcp) => throw null!;
  public ImmutableArray<PortEntry> Snapshot(out long revision) => throw null!;
  public IAsyncEnumerable<PortChange> Watch(long afterRevision = -1, CancellationToken cancellationToken = default) => throw null!;
  public PortSession OpenSession(int processId) => throw null!;
  public void Dispose() { }
  public ValueTask DisposeAsync() => default;
}
