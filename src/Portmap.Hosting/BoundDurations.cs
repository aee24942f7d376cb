using System.Diagnostics.Metrics;

namespace Portmap.Hosting;

/// <summary>How long it took from the acquisition to the process that listens, healing included:
/// the start of a worker as its supervisor sees it.</summary>
/// <remarks>Reads the changes of the registry, from <see cref="Start"/> on and only where somebody
/// listens to the histogram.</remarks>
internal sealed class BoundDurations(PortRegistry registry, Meter meter, KeyValuePair<string, object?>[] tags) : IAsyncDisposable
{
    private readonly Histogram<double> _histogram = meter.CreateHistogram(
        "portmap.lease.bound.duration",
        "s",
        "From the acquisition to the registration",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] });

    /// <summary>When each open lease was acquired; touched by the reader only. Bounded by the
    /// owners that may be live.</summary>
    private readonly Dictionary<(string Owner, PortProtocol Protocol), DateTimeOffset> _acquired = [];

    private readonly CancellationTokenSource _end = new();
    private readonly Lock _gate = new();
    private Task? _reading;

    /// <summary>Begins to read, once, if somebody listens.</summary>
    public void Start()
    {
        lock (_gate)
        {
            if (_reading is null && _histogram.Enabled && !_end.IsCancellationRequested)
            {
                _reading = ReadAsync(registry.WatchAsync(snapshots: false, cancellationToken: _end.Token));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync().ConfigureAwait(false);
        Task? reading;
        lock (_gate)
        {
            reading = _reading;
        }

        await (reading ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task ReadAsync(IAsyncEnumerable<PortUpdate> updates)
    {
        await foreach (PortUpdate update in updates.ConfigureAwait(false))
        {
            if (update.Changes.IsEmpty)
            {
                _acquired.Clear();   // something was missed, and is not measured
            }

            foreach (PortChange change in update.Changes)
            {
                Note(change);
            }
        }
    }

    private void Note(PortChange change)
    {
        PortEntry entry = change.Entry;
        switch (change.Kind)
        {
            case PortChangeKind.Acquired:
                _acquired.TryAdd((entry.Owner, entry.Protocol), entry.Since);   // a lease that heals another counts from the first
                break;
            case PortChangeKind.Registered when _acquired.Remove((entry.Owner, entry.Protocol), out DateTimeOffset acquired):
                _histogram.Record(Math.Max(0, (entry.Since - acquired).TotalSeconds), [.. tags, new("portmap.strategy", entry.Strategy), new("portmap.protocol", entry.Protocol.ToString())]);
                break;
            case PortChangeKind.Expired or PortChangeKind.Released or PortChangeKind.Taken:
                _acquired.Remove((entry.Owner, entry.Protocol));
                break;
        }
    }
}
