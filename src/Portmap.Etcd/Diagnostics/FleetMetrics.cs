using System.Diagnostics.Metrics;

namespace Portmap.Etcd.Diagnostics;

/// <summary>What a host's part of a fleet counts and times, on the meter "Portmap.Etcd". Names and
/// tags are API; docs/reference/meters.md is their table.</summary>
/// <remarks>What nobody listens to costs one read. What a listener throws ends here.</remarks>
internal sealed class FleetMetrics : IDisposable
{
    public const string MeterName = "Portmap.Etcd";

    private readonly Meter _meter;
    private readonly TimeProvider _clock;
    private readonly KeyValuePair<string, object?>[] _key;
    private readonly Histogram<double> _batches;
    private readonly Counter<long> _comparisons;
    private readonly Counter<long> _listings;
    private readonly Counter<long> _claims;
    private readonly Counter<long> _claimsEnded;
    private volatile bool _isOver;

    /// <param name="meters">The host's, or null where it has none.</param>
    /// <param name="clock">The clock of the durations.</param>
    public FleetMetrics(IMeterFactory? meters, TimeProvider clock)
    {
        _clock = clock;
        _meter = meters?.Create(MeterName) ?? new Meter(MeterName);
        _key = [.. _meter.Tags ?? []];
        _batches = _meter.CreateHistogram(
            "portmap.fleet.batch.duration", "s", "A batch of entries, from its making to etcd's answer", tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5] });
        _comparisons = _meter.CreateCounter<long>("portmap.fleet.comparisons", "{comparison}", "Comparisons of what etcd has of this host with its registry");
        _listings = _meter.CreateCounter<long>("portmap.fleet.listings", "{listing}", "Listings of the whole fleet");
        _claims = _meter.CreateCounter<long>("portmap.fleet.claims", "{claim}", "Claims that were asked for");
        _claimsEnded = _meter.CreateCounter<long>("portmap.fleet.claims.ended", "{claim}", "Claims that ended");
    }

    /// <summary>Adds what is looked up when somebody collects.</summary>
    /// <param name="name">The name.</param>
    /// <param name="unit">What is counted.</param>
    /// <param name="description">What it is.</param>
    /// <param name="observe">Gives the number; null says nothing.</param>
    public void AddGauge(string name, string unit, string description, Func<double?> observe) =>
        _meter.CreateObservableGauge(name, () => !_isOver && observe() is { } value ? (Measurement<double>[])[new(value, _key)] : [], unit, description);

    /// <summary>A batch is on its way.</summary>
    /// <returns>When; null where nobody wants to know.</returns>
    public long? BeginBatch() => _batches.Enabled ? _clock.GetTimestamp() : null;

    /// <summary>Etcd has answered, or has not.</summary>
    public void EndBatch(long? began, bool isWritten)
    {
        if (began is { } at)
        {
            Contained(() => _batches.Record(
                Math.Max(0, _clock.GetElapsedTime(at).TotalSeconds), [.. _key, new("portmap.outcome", isWritten ? "Written" : "Failed")]));
        }
    }

    public void Compared() => Add(_comparisons);

    public void Listed(string cause) => Add(_listings, [new("portmap.cause", cause)]);

    /// <param name="outcome"><c>Held</c>, or why it was refused.</param>
    public void Claimed(string outcome) => Add(_claims, [new("portmap.outcome", outcome)]);

    public void ClaimEnded(bool isLost) => Add(_claimsEnded, [new("portmap.cause", isLost ? "Lost" : "Released")]);

    /// <summary>A factory keeps its meters, and hands the same one out again.</summary>
    public void Dispose()
    {
        _isOver = true;
        _meter.Dispose();
    }

    private void Add(Counter<long> counter, params KeyValuePair<string, object?>[] tags)
    {
        if (counter.Enabled)
        {
            Contained(() => counter.Add(1, [.. _key, .. tags]));
        }
    }

    private static void Contained(Action tell)
    {
        try
        {
            tell();
        }
        catch (Exception)
        {
            // The host's listener failed; there is nobody to tell that.
        }
    }
}
