using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Portmap.Etcd.Tests.Support;

/// <summary>Makes the meter of one host, and listens to it.</summary>
internal sealed class Readings : IMeterFactory
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<(Instrument Instrument, double Value, string Tags)> _all = new();

    public Readings()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter.Scope, this))
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>A tag of the meter, where it is to have one.</summary>
    public string? Site { get; init; }

    /// <summary>Is told the tags of what an instrument says, on its thread.</summary>
    public Action<string>? Told { get; set; }

    /// <summary>Each instrument that said something, as the page writes it: name, kind, unit and
    /// tags.</summary>
    public IEnumerable<string> Instruments => _all.GroupBy(said => said.Instrument.Name).Select(said =>
    {
        Instrument instrument = said.First().Instrument;
        string kind = instrument.GetType().Name.Split('`')[0] switch
        {
            "ObservableGauge" => "gauge",
            string other => other.ToLowerInvariant(),
        };
        return $"{instrument.Name} {kind} {instrument.Unit?.Trim('{', '}')} {said.First().Tags.Split('=')[0]}".TrimEnd();
    });

    public Meter Create(MeterOptions options) => new(options.Name, options.Version, Site is null ? options.Tags : [new("site", Site)], scope: this);

    /// <summary>What an instrument says now, or said last.</summary>
    public double Last(string name)
    {
        _listener.RecordObservableInstruments();
        return _all.Last(said => said.Instrument.Name == name).Value;
    }

    /// <summary>How often an instrument was told of something.</summary>
    public int Count(string name, string tags) => _all.Count(said => said.Instrument.Name == name && said.Tags == tags);

    public void Collect() => _listener.RecordObservableInstruments();

    public void Dispose() => _listener.Dispose();

    private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string said = string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"));
        _all.Enqueue((instrument, value, said));
        Told?.Invoke(said);
    }
}
