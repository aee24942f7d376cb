using System.Diagnostics.Metrics;

namespace Portmap.Hosting;

/// <summary>What a registry holds, as gauges, and how long its leases take to be bound.
/// docs/reference/meters.md is the table of the names, which are API.</summary>
/// <remarks>Whoever collects pays: a gauge looks at each port when it is asked, and the changes are
/// read from the first collection on. Nobody listening costs nothing.</remarks>
internal sealed class RegistryMetrics : IAsyncDisposable
{
    public const string MeterName = "Portmap";

    private const int LastPort = 65_535;
    private static readonly PortProtocol[] s_protocols = [PortProtocol.Tcp, PortProtocol.Udp];

    private readonly PortRegistry _registry;
    private readonly KeyValuePair<string, object?>[] _tags;
    private readonly Meter _meter;
    private readonly BoundDurations _durations;
    private volatile bool _isOver;

    /// <param name="registry">The registry.</param>
    /// <param name="key">Its key, which becomes a tag.</param>
    /// <param name="meters">The host's, or null where it has none.</param>
    public RegistryMetrics(PortRegistry registry, object? key, IMeterFactory? meters)
    {
        _registry = registry;
        _tags = key is null ? [] : [new("portmap.registry", key)];
        MeterOptions options = new(MeterName) { Tags = _tags.Length == 0 ? null : _tags };
        _meter = meters?.Create(options) ?? new Meter(options);
        _durations = new BoundDurations(registry, _meter, _tags);
        _meter.CreateObservableGauge("portmap.ports", ObservePorts, "{port}", "Ports by protocol, state and guarantee");
        _meter.CreateObservableGauge("portmap.ports.limit", () => One(registry.Bounds.Ports.Sum(range => range.Count)), "{port}", "Ports that may be handed out, by protocol; exclusions are among them");
        _meter.CreateObservableGauge("portmap.owners", ObserveOwners, "{owner}", "Owners that lookups find, by protocol");
        _meter.CreateObservableGauge("portmap.owners.limit", () => One(registry.Bounds.MaxOwners), "{owner}", "Owners that may be live at once");
        _meter.CreateObservableGauge("portmap.findings", ObserveFindings, "{finding}", "What weakens the promises, by kind");
    }

    public async ValueTask DisposeAsync()
    {
        _isOver = true;   // the meter of a factory outlives the registry
        _meter.Dispose();
        await _durations.DisposeAsync().ConfigureAwait(false);
    }

    private IEnumerable<Measurement<long>> ObservePorts()
    {
        _durations.Start();
        foreach (PortProtocol protocol in s_protocols)
        {
            IReadOnlyList<PortRange> ranges = _registry.Bounds.Ports;
            long free = ranges.Sum(range => range.Count);
            Dictionary<(PortState State, PortGuarantee? Guarantee), long> counts = [];
            foreach (PortEntry entry in Entries(protocol))
            {
                (PortState, PortGuarantee?) kind = (entry.State, entry.State is PortState.Cooling or PortState.Foreign ? null : entry.Guarantee);
                counts[kind] = counts.GetValueOrDefault(kind) + 1;
                free -= ranges.Any(range => range.Contains(entry.Port)) ? 1 : 0;
            }

            foreach (((PortState state, PortGuarantee? guarantee), long count) in counts)
            {
                KeyValuePair<string, object?> tag = new("portmap.state", state.ToString());
                yield return Of(count, protocol, guarantee is null ? [tag] : [tag, new("portmap.guarantee", guarantee.ToString())]);
            }

            yield return Of(free, protocol, [new("portmap.state", nameof(PortState.Free))]);
        }
    }

    private IEnumerable<Measurement<long>> ObserveOwners()
    {
        foreach (PortProtocol protocol in s_protocols)
        {
            yield return Of(Entries(protocol).Where(entry => entry.State == PortState.Bound).Sum(entry => (long)entry.OwnerCount), protocol);
        }
    }

    private IEnumerable<Measurement<long>> ObserveFindings() => _isOver ? [] : _registry.Diagnose()
        .Where(finding => !finding.IsNote)
        .GroupBy(finding => finding.Kind.ToString())
        .Select(kind => new Measurement<long>(kind.Count(), [.. _tags, new("portmap.finding", kind.Key)]));

    private IEnumerable<PortEntry> Entries(PortProtocol protocol)
    {
        for (int port = 1; port <= LastPort && !_isOver; port++)
        {
            if (_registry.TryGetEntry(port, out PortEntry entry, protocol))
            {
                yield return entry;
            }
        }
    }

    private Measurement<long> One(long value) => new(value, _tags);

    private Measurement<long> Of(long value, PortProtocol protocol, params KeyValuePair<string, object?>[] more) =>
        new(value, [.. _tags, new("portmap.protocol", protocol.ToString()), .. more]);
}
