using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Portmap.Rpc;

namespace Portmap.Hosting;

/// <summary>Whether a registry does what it is there for: by doing it, as far as that harms
/// nobody.</summary>
internal sealed class PortmapHealthCheck(IServiceProvider services, string? key) : IHealthCheck
{
    private const double FullShare = 0.9;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        PortRegistry registry = services.Registry(key);
        (int used, int ports) = Usage(registry);
        double share = (double)used / ports;
        List<string> failed = [], degraded = [];
        string? tried = await TryStoreAsync(registry, failed, degraded, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<PortFinding> findings = registry.Diagnose();   // after the store was tried, which may have ended what it would say
        failed.AddRange(findings.Where(Breaks).Select(finding => finding.ToString()));
        degraded.AddRange(findings.Where(Weakens).Select(finding => finding.ToString()));
        string[] endpoints = await TryServerAsync(failed, cancellationToken).ConfigureAwait(false);
        if (share >= FullShare)
        {
            degraded.Add(string.Create(CultureInfo.InvariantCulture, $"{used} of {ports} ports are in use; widen {nameof(PortRegistryOptions.Ports)}, or stop what is not needed."));
        }

        Dictionary<string, object> data = new()
        {
            ["store"] = tried ?? (findings.Any(finding => finding.Kind == PortFindingKind.StoreFailing) ? "fails" : "not tried: it confirms nothing"),
            ["endpoints"] = endpoints,
            ["used"] = used,
            ["ports"] = ports,
            ["share"] = share,
            ["passes"] = findings.FirstOrDefault(finding => finding.Kind == PortFindingKind.PassOverdue)?.Value ?? "in time",
            ["findings"] = findings.Select(finding => finding.ToString()).ToArray(),
        };
        HealthStatus status = failed.Count > 0 ? context.Registration.FailureStatus : degraded.Count > 0 ? HealthStatus.Degraded : HealthStatus.Healthy;
        string text = string.Create(CultureInfo.InvariantCulture, $"{used} of {ports} ports in use.");
        return new HealthCheckResult(status, string.Join(' ', [.. failed, .. degraded, text]), data: data);
    }

    /// <summary>Findings that say that the registry does not do its work. A store that confirms is
    /// tried, which says more.</summary>
    private static bool Breaks(PortFinding finding) => finding.Kind is PortFindingKind.PassOverdue or PortFindingKind.StoreFailing;

    /// <summary>Findings that say that a promise does not hold now; the others are advice, and most
    /// hosts have some.</summary>
    private static bool Weakens(PortFinding finding) =>
        finding.Kind is PortFindingKind.GuardUnavailable or PortFindingKind.StateMoved or PortFindingKind.StateUnreadable or PortFindingKind.RangeNotBindable;

    /// <summary>The protocol that uses more of the ports that can be handed out. A cooling port
    /// counts as free: it is handed out when no other is left.</summary>
    private static (int Used, int Ports) Usage(PortRegistry registry)
    {
        int tcp = 0, udp = 0, ports = 0;
        foreach (int port in registry.Bounds.Ports.SelectMany(range => Enumerable.Range(range.First, range.Count)).Where(registry.HandsOut))
        {
            ports++;
            tcp += IsUsed(registry, port, PortProtocol.Tcp) ? 1 : 0;
            udp += IsUsed(registry, port, PortProtocol.Udp) ? 1 : 0;
        }

        return (Math.Max(tcp, udp), ports);
    }

    private static bool IsUsed(PortRegistry registry, int port, PortProtocol protocol) =>
        registry.TryGetEntry(port, out PortEntry entry, protocol) && entry.State is not (PortState.Free or PortState.Cooling);

    /// <returns>How the store is; null when it confirms nothing, and so was not tried.</returns>
    private static async Task<string?> TryStoreAsync(PortRegistry registry, List<string> failed, List<string> degraded, CancellationToken cancellationToken)
    {
        PortDurability? durability = registry.GetDurability();
        if (durability != PortDurability.Confirmed)
        {
            return durability is null ? "none" : null;
        }

        try
        {
            await StoreTrial.RunAsync(registry).WaitAsync(cancellationToken).ConfigureAwait(false);
            return "works";
        }
        catch (PortRefusedException refused) when (refused.Refusal.Reason == PortRefusalReason.StoreFailed)
        {
            failed.Add(refused.Refusal.Message);
            return refused.Refusal.Message;
        }
        catch (PortRefusedException refused)
        {
            degraded.Add($"The store could not be tried: {refused.Refusal.Message}");
            return $"not tried: {refused.Refusal.Message}";
        }
    }

    private async Task<string[]> TryServerAsync(List<string> failed, CancellationToken cancellationToken)
    {
        if (services.Server(key) is not { } server)
        {
            return [];
        }

        IReadOnlyList<PortmapEndpoint> endpoints = server.Endpoints;
        if (endpoints.Count == 0)
        {
            failed.Add("The server does not listen: the host has not started it yet, or has stopped it.");
        }

        foreach (PortmapEndpoint endpoint in endpoints)
        {
            try
            {
                PortmapClientOptions patience = new() { ConnectTimeout = s_patience, CallTimeout = s_patience };
                PortmapClient client = await PortmapClient.ConnectAsync(endpoint, patience, cancellationToken).ConfigureAwait(false);
                await using (client.ConfigureAwait(false))
                {
                    await client.PingAsync(cancellationToken).ConfigureAwait(false);
                }
            }
            catch (Exception exception) when (exception is IOException or InvalidDataException)
            {
                failed.Add($"{endpoint} does not answer: {exception.Message}");
            }
        }

        return [.. endpoints.Select(endpoint => endpoint.ToString())];
    }
}
