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

    /// <summary>How many leases may be remembered whose port could not be bound.</summary>
    private const int MostFailed = 256;

    /// <summary>When each open lease was acquired, or the first of those that it heals; touched by
    /// the reader only. Bounded by the owners that may be live.</summary>
    private readonly Dictionary<(string Owner, PortProtocol Protocol), (DateTimeOffset Since, long? Epoch)> _acquired = [];

    /// <summary>Leases whose port could not be bound. One that heals it is told right behind, and
    /// has been there since before; without one it has ended for good.</summary>
    private readonly Dictionary<(string Owner, PortProtocol Protocol), (DateTimeOffset Since, DateTimeOffset Failed)> _failed = [];

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
                _failed.Clear();
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
        (string, PortProtocol) key = (entry.Owner, entry.Protocol);
        bool isOpen = _acquired.TryGetValue(key, out (DateTimeOffset Since, long? Epoch) open);
        if (isOpen && entry.Epoch < open.Epoch)
        {
            return;   // of what the owner had before that lease: its worker signs in again or ends, or what heals it was told first
        }

        switch (change.Kind)
        {
            case PortChangeKind.Acquired:
                _acquired[key] = (isOpen ? open.Since : SinceOfHealed(key, entry.Since) ?? entry.Since, entry.Epoch);   // a lease that heals another counts from the first
                break;
            case PortChangeKind.Registered when _acquired.Remove(key):
                _histogram.Record(Math.Max(0, (entry.Since - open.Since).TotalSeconds), [.. tags, new("portmap.strategy", entry.Strategy), new("portmap.protocol", entry.Protocol.ToString())]);
                break;
            case PortChangeKind.Expired or PortChangeKind.Released or PortChangeKind.Taken:
                _acquired.Remove(key);
                break;
            case PortChangeKind.BindFailed when isOpen:
                _acquired.Remove(key);
                Remember(key, open.Since, entry.Since);
                break;
        }
    }

    /// <summary>When a lease was acquired that failed and that this one heals; null when it heals
    /// none.</summary>
    private DateTimeOffset? SinceOfHealed((string Owner, PortProtocol Protocol) key, DateTimeOffset since) =>
        _failed.Remove(key, out (DateTimeOffset Since, DateTimeOffset Failed) failed) && since <= failed.Failed ? failed.Since : null;

    private void Remember((string Owner, PortProtocol Protocol) key, DateTimeOffset since, DateTimeOffset failed)
    {
        if (_failed.Count >= MostFailed)
        {
            _failed.Clear();   // none of them is healed any more
        }

        _failed[key] = (since, failed);
    }
}
