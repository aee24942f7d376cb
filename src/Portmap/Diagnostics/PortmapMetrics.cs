using System.Diagnostics.Metrics;

namespace Portmap.Diagnostics;

/// <summary>What a registry counts and times, on the meter "Portmap". Names and tags are API;
/// docs/reference/meters.md is their table.</summary>
/// <remarks>Registries without a meter factory share one meter. An instrument nobody listens to
/// costs one read. What a listener throws ends here: it is told of what is done.</remarks>
internal sealed class PortmapMetrics
{
    public const string MeterName = "Portmap";

    private static readonly PortmapMetrics s_shared = new(new Meter(MeterName));

    private readonly Meter _meter;
    private readonly Counter<long> _granted;
    private readonly Counter<long> _registered;
    private readonly Counter<long> _ended;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _foreign;
    private readonly Histogram<double> _written;
    private readonly Histogram<double> _passed;

    /// <summary>Which registry of several it is.</summary>
    private readonly KeyValuePair<string, object?>[] _key;

    private PortmapMetrics(Meter meter)
    {
        _meter = meter;
        _key = [.. meter.Tags ?? []];
        _granted = meter.CreateCounter<long>("portmap.leases.granted", "{lease}", "Leases granted");
        _registered = meter.CreateCounter<long>("portmap.registrations", "{registration}", "Registrations that took effect");
        _ended = meter.CreateCounter<long>("portmap.claims.ended", "{claim}", "Leases and registrations that ended");
        _refused = meter.CreateCounter<long>("portmap.refusals", "{refusal}", "Operations that were refused");
        _foreign = meter.CreateCounter<long>("portmap.ports.foreign", "{port}", "Ports found in use by something outside the registry");
        _written = Durations("portmap.store.write.duration", "A batch of facts on its way to the store, until it is durable", [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5]);
        _passed = Durations("portmap.pass.duration", "One pass of the registry", [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]);
    }

    /// <summary>Makes the instruments known to whoever listens, before anything is
    /// counted.</summary>
    /// <param name="meters">The host's, or null where it has none.</param>
    public static PortmapMetrics Of(IMeterFactory? meters) => meters is null ? s_shared : new PortmapMetrics(meters.Create(MeterName));

    public void TookEffect(bool lease)
    {
        Counter<long> counter = lease ? _granted : _registered;
        if (counter.Enabled)
        {
            Add(counter);
        }
    }

    public void Ended(PortChangeKind cause)
    {
        if (_ended.Enabled)
        {
            Add(_ended, "portmap.cause", cause);
        }
    }

    public void Refused(PortRefusalReason reason) => Add(_refused, "portmap.reason", reason);

    public void FoundForeign() => Add(_foreign);

    /// <summary>A batch is on its way to the store.</summary>
    /// <returns>When; null where nobody wants to know.</returns>
    public long? BeginWrite(TimeProvider clock) => Begin(_written, clock);

    /// <summary>A batch is durable, or is not.</summary>
    public void EndWrite(long? began, TimeProvider clock, bool failed) =>
        End(_written, began, clock, new("portmap.outcome", failed ? "Failed" : "Written"));

    /// <summary>A pass begins.</summary>
    /// <returns>When; null where nobody wants to know.</returns>
    public long? BeginPass(TimeProvider clock) => Begin(_passed, clock);

    /// <summary>A pass is over.</summary>
    public void EndPass(long? began, TimeProvider clock, string pass) => End(_passed, began, clock, new("portmap.pass", pass));

    /// <summary>Adds what is looked up when somebody collects. Only a meter of a factory takes it:
    /// the shared one would keep every registry alive.</summary>
    /// <param name="name">The name.</param>
    /// <param name="unit">What is counted.</param>
    /// <param name="description">What it is.</param>
    /// <param name="observe">Gives the number; null says nothing, once the registry is
    /// over.</param>
    public void AddGauge(string name, string unit, string description, Func<long?> observe)
    {
        if (!ReferenceEquals(this, s_shared))
        {
            _meter.CreateObservableGauge(name, () => observe() is { } value ? (Measurement<long>[])[new(value, _key)] : [], unit, description);
        }
    }

    private Histogram<double> Durations(string name, string description, double[] boundaries) =>
        _meter.CreateHistogram(name, "s", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = boundaries });

    private static long? Begin(Histogram<double> histogram, TimeProvider clock)
    {
        try
        {
            return histogram.Enabled ? clock.GetTimestamp() : null;
        }
        catch (Exception)
        {
            return null;   // the host's clock, which stands still for everybody then
        }
    }

    private void End(Histogram<double> histogram, long? began, TimeProvider clock, KeyValuePair<string, object?> tag)
    {
        if (began is null)
        {
            return;
        }

        try
        {
            histogram.Record(Math.Max(0, clock.GetElapsedTime(began.Value).TotalSeconds), [.. _key, tag]);
        }
        catch (Exception)
        {
            // As below.
        }
    }

    private void Add(Counter<long> counter)
    {
        if (counter.Enabled)
        {
            try
            {
                counter.Add(1, _key);
            }
            catch (Exception)
            {
                // The host's listener failed; the next one is not told either, and there is nobody
                // to tell that.
            }
        }
    }

    private void Add<T>(Counter<long> counter, string tag, T value)
        where T : struct, Enum
    {
        if (counter.Enabled)
        {
            try
            {
                counter.Add(1, [.. _key, new(tag, value.ToString())]);
            }
            catch (Exception)
            {
                // As above.
            }
        }
    }
}
