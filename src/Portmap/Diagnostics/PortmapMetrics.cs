using System.Diagnostics.Metrics;

namespace Portmap.Diagnostics;

/// <summary>
/// The meter "Portmap", one for all registries of the process. Names and tags are API.
/// </summary>
/// <remarks>
/// <c>portmap.leases.granted</c>, <c>portmap.registrations</c>, <c>portmap.claims.ended</c> (tag
/// <c>cause</c>: a <see cref="PortChangeKind"/>), <c>portmap.refusals</c> (tag <c>reason</c>),
/// <c>portmap.ports.foreign</c>. A counter nobody listens to costs one read. What a listener throws
/// ends here: it is told of what is done.
/// </remarks>
internal static class PortmapMetrics
{
    private static readonly Meter s_meter = new("Portmap");
    private static readonly Counter<long> s_granted =
        s_meter.CreateCounter<long>("portmap.leases.granted", "{lease}", "Leases granted");
    private static readonly Counter<long> s_registered =
        s_meter.CreateCounter<long>("portmap.registrations", "{registration}", "Registrations that took effect");
    private static readonly Counter<long> s_ended =
        s_meter.CreateCounter<long>("portmap.claims.ended", "{claim}", "Leases and registrations that ended");
    private static readonly Counter<long> s_refused =
        s_meter.CreateCounter<long>("portmap.refusals", "{refusal}", "Operations that were refused");
    private static readonly Counter<long> s_foreign =
        s_meter.CreateCounter<long>("portmap.ports.foreign", "{port}", "Ports found in use by something outside the registry");

    /// <summary>
    /// Makes the instruments known to whoever listens, before anything is counted.
    /// </summary>
    public static void Publish() => GC.KeepAlive(s_meter);

    public static void TookEffect(bool lease) => Add(lease ? s_granted : s_registered);

    public static void Ended(PortChangeKind cause) => Add(s_ended, "cause", cause);

    public static void Refused(PortRefusalReason reason) => Add(s_refused, "reason", reason);

    public static void FoundForeign() => Add(s_foreign);

    private static void Add(Counter<long> counter)
    {
        if (counter.Enabled)
        {
            try
            {
                counter.Add(1);
            }
            catch (Exception)
            {
                // The host's listener failed; the next one is not told either, and there is nobody
                // to tell that.
            }
        }
    }

    private static void Add<T>(Counter<long> counter, string tag, T value)
        where T : struct, Enum
    {
        if (counter.Enabled)
        {
            try
            {
                counter.Add(1, new KeyValuePair<string, object?>(tag, value.ToString()));
            }
            catch (Exception)
            {
                // As above.
            }
        }
    }
}
