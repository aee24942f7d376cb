#pragma warning disable
using System.Diagnostics;
namespace Portmap;
/// <summary>x</summary>
public sealed class PortLease {
  public string Owner => throw null!; public PortProtocol Protocol => throw null!; public int Port => throw null!; public long Epoch => throw null!;
  public string Strategy => throw null!; public PortGuarantee Guarantee => throw null!; public DateTimeOffset ExpiresAt => throw null!;
  public Task<PortEntry> WhenBound => throw null!;
  public void ApplyTo(ProcessStartInfo startInfo, string? endpoint = null) => throw null!;
  public Task<PortEntry> RegisterAsync(Process process, CancellationToken cancellationToken = default) => throw null!;
  public ValueTask ReportBindFailureAsync(CancellationToken cancellationToken = default) => throw null!;
  public ValueTask ReleaseAsync(CancellationToken cancellationToken = default) => throw null!;
  public bool TryRelease(out PortRefusal? refusal) => throw null!;
}
