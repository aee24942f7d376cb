using System.Diagnostics.Metrics;

namespace Portmap.Rpc.Diagnostics;

/// <summary>What a server counts and times, on the meter "Portmap.Rpc". Names and tags are API;
/// docs/reference/meters.md is their table.</summary>
/// <remarks>What nobody listens to costs one read for a call. What a listener throws ends
/// here.</remarks>
internal sealed class RpcMetrics : IDisposable
{
    public const string MeterName = "Portmap.Rpc";

    private readonly Meter _meter;
    private readonly Histogram<double> _calls;
    private readonly TimeProvider _clock;
    private readonly KeyValuePair<string, object?>[] _key;

    /// <param name="meters">The host's, or null where it has none.</param>
    /// <param name="clock">The clock of the durations.</param>
    public RpcMetrics(IMeterFactory? meters, TimeProvider clock)
    {
        _clock = clock;
        _meter = meters?.Create(MeterName) ?? new Meter(MeterName);
        _key = [.. _meter.Tags ?? []];
        _calls = _meter.CreateHistogram(
            "portmap.rpc.call.duration",
            "s",
            "From a call that was read to its answer",
            tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5] });
    }

    /// <summary>Adds the gauge of open connections.</summary>
    /// <param name="count">Counts them; null says nothing, once the server has stopped.</param>
    public void ObserveConnections(Func<int?> count) =>
        _meter.CreateObservableGauge(
            "portmap.rpc.connections",
            () => count() is { } open ? (Measurement<int>[])[new(open, _key)] : [],
            "{connection}",
            "Connections that are open");

    /// <summary>A call was read.</summary>
    /// <returns>When; null where nobody wants to know.</returns>
    public long? Begin() => _calls.Enabled ? _clock.GetTimestamp() : null;

    /// <summary>A call was answered, or is answered later.</summary>
    public void End(long? began, string program, string procedure, CallOutcome outcome)
    {
        if (began is null)
        {
            return;
        }

        try
        {
            _calls.Record(
                Math.Max(0, _clock.GetElapsedTime(began.Value).TotalSeconds),
                [.. _key, new("portmap.rpc.program", program), new("portmap.rpc.procedure", procedure), new("portmap.rpc.outcome", outcome.ToString())]);
        }
        catch (Exception)
        {
            // The host's listener failed; there is nobody to tell that.
        }
    }

    /// <summary>A factory keeps its meters, and hands the same one out again.</summary>
    public void Dispose() => _meter.Dispose();
}
