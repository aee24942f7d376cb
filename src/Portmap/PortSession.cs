#pragma warning disable
using System.Diagnostics.CodeAnalysis;
namespace Portmap;
/// <summary>x</summary>
public sealed class PortSession : IAsyncDisposable {
  public int ProcessId => throw null!;
  public ValueTask<PortEntry> RegisterAsync(string owner, int port, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default) => throw null!;
  public bool TryRegister(string owner, int port, out PortEntry entry, [NotNullWhen(false)] out PortRefusal? refusal, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp) => throw null!;
  public ValueTask ReleaseAsync(string owner, int port = 0, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default) => throw null!;
  public bool TryRelease(string owner, [NotNullWhen(false)] out PortRefusal? refusal, int port = 0, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp) => throw null!;
  public ValueTask<PortLease> ReportBindFailureAsync(string owner, int port, long epoch = 0, PortProtocol protocol = PortProtocol.Tcp, CancellationToken cancellationToken = default) => throw null!;
  public ValueTask DisposeAsync() => throw null!;
}
