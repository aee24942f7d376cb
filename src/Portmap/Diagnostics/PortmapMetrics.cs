using System.Diagnostics.Metrics;

namespace Portmap.Diagnostics;

/// <summary>The meter "Portmap", one for all registries of the process. Names and tags are API.</summary>
/// <remarks><c>portmap.leases.granted</c>, <c>portmap.registrations</c>, <c>portmap.claims.ended</c> (tag <c>cause</c>: a
/// <see cref="PortChangeKind"/>), <c>portmap.refusals</c> (tag <c>reason</c>), <c>portmap.ports.foreign</c>. A counter nobody listens to costs one read.</remarks>
internal static class PortmapMetrics
{
    private static readonly Meter s_meter = new("Portmap");
    private static readonly Counter<long> s_granted = s_meter.CreateCounter<long>("portmap.leases.granted", "{lease}", "Leases granted");
    private static readonly Counter<long> s_registered = s_meter.CreateCounter<long>("portmap.registrations", "{registration}", "Registrations that took effect");
    private static readonly Counter<long> s_ended = s_meter.CreateCounter<long>("portmap.claims.ended", "{claim}", "Leases and registrations that ended");
    private static readonly Counter<long> s_refused = s_meter.CreateCounter<long>("portmap.refusals", "{refusal}", "Operations that were refused");
    private static readonly Counter<long> s_foreign = s_meter.CreateCounter<long>("portmap.ports.foreign", "{port}", "Ports found in use by something outside the registry");

    public static void TookEffect(bool lease) => (lease ? s_granted : s_registered).Add(1);

    public static void Ended(PortChangeKind cause)
    {
        if (s_ended.Enabled)
        {
            s_ended.Add(1, new KeyValuePair<string, object?>("cause", cause.ToString()));
        }
    }

    public static void Refused(PortRefusalReason reason)
    {
        if (s_refused.Enabled)
        {
            s_refused.Add(1, new KeyValuePair<string, object?>("reason", reason.ToString()));
        }
    }

    public static void FoundForeign() => s_foreign.Add(1);
}
