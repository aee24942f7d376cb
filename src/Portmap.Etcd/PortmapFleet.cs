using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Diagnostics;
using Portmap.Etcd.Leasing;
using Portmap.Etcd.Mirroring;
using Portmap.Etcd.Publishing;

namespace Portmap.Etcd;

/// <summary>This host's part of a fleet: it tells etcd what the registry serves, and follows what
/// the others tell.</summary>
/// <remarks>
/// <para>Safe for any thread. The registry stays the authority of its host: nothing here changes
/// it, and nothing of it waits for etcd.</para>
/// <para>Etcd may be absent at the start, go away, come back, or be restored from an older state:
/// the daemon serves on, and the map is right again by itself when etcd is back.</para>
/// </remarks>
public sealed class PortmapFleet : IAsyncDisposable
{
    private readonly PortmapFleetOptions _options;
    private readonly EtcdClient _client;
    private readonly HostLease _lease;
    private readonly Follower _follower;
    private readonly Subscribers _subscribers = new();
    private readonly Publisher? _publisher;
    private readonly RegistryFeed? _feed;
    private readonly CancellationTokenSource _stop = new();
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly IDisposable? _joined;
    private readonly FleetMetrics _metrics;
    private readonly Lazy<Task> _stopping;
    private Task? _running;

    /// <summary>Makes it; nothing runs before <see cref="Start"/>.</summary>
    /// <param name="options">The options; they are checked.</param>
    /// <param name="registry">What this host serves; null for a host that only looks up and claims.
    /// One that is published is joined to the fleet, so that it grants
    /// <see cref="PortScope.Fleet"/>.</param>
    /// <param name="logger">Told of what goes wrong, and when it is over.</param>
    /// <param name="timeProvider">The clock; null is the system's.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="InvalidOperationException">Another fleet publishes the registry: set
    /// <see cref="PortmapFleetOptions.Publish"/> to false in all but one.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is
    /// wrong: each one is named with its bound.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A PEM file holds no
    /// certificate or no key, or they do not fit; the option and the file are named.</exception>
    public PortmapFleet(PortmapFleetOptions options, PortRegistry? registry = null, ILogger<PortmapFleet>? logger = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options = options.Copy();   // its loops read them as long as it lives
        PortmapFleetOptionsValidator.ThrowIfInvalid(options);
        _options = options;
        _stopping = new Lazy<Task>(StopOnceAsync);
        _logger = ContainedLogger.Of(logger);
        TimeProvider time = timeProvider ?? TimeProvider.System;
        _time = time;
        FleetKeys keys = new(options.Prefix, options.Host);
        _metrics = new FleetMetrics(options.MeterFactory, time);
        _client = new EtcdClient(options, time);
        _lease = new HostLease(_client, keys, options, _logger, time);
        Owners = new FleetOwners(_client, keys, _lease, options, _logger, time, _metrics) { Stopped = _stop.Token };
        MirrorIndex index = new(_subscribers);
        _follower = new Follower(_client, keys, index, options, _logger, time) { Metrics = _metrics };
        Map = new FleetMap(index, _subscribers, _follower, Owners.Held, options, _stop.Token);
        if (registry is not null && options is { Publish: true, ReadOnly: false })
        {
            _feed = new RegistryFeed(registry);
            Publisher publisher = _publisher = new Publisher(_client, keys, _lease, _feed, Owners.Held, options, _logger, time) { Metrics = _metrics };
            Owners.Changed += owner =>
            {
                publisher.Dirty.Add(new OwnerKey(owner, PortProtocol.Tcp));
                publisher.Dirty.Add(new OwnerKey(owner, PortProtocol.Udp));
            };
            _joined = Join(registry);
        }

        AddGauges();
    }

    /// <summary>The map of the whole fleet.</summary>
    public FleetMap Map { get; }

    /// <summary>Owners that one host of the fleet holds at a time.</summary>
    public FleetOwners Owners { get; }

    /// <summary>How this host's part is doing now.</summary>
    public FleetStatus Status => new(
        _options.ReadOnly ? _follower is { Trouble: null, WhenListed.IsCompletedSuccessfully: true } : _lease.Current is { } term && term.Left > TimeSpan.Zero,
        _publisher?.IsPublished ?? false,
        _publisher?.Dirty.Count ?? 0,
        (_options.ReadOnly ? null : _lease.Trouble) ?? _publisher?.Trouble ?? (_options.Mirror ? _follower.Trouble : null))
    {
        IsDenied = _lease is { IsDenied: true, Trouble: not null } || _follower is { IsDenied: true, Trouble: not null },
    };

    /// <summary>Begins to publish and to follow. It waits for nothing:
    /// <see cref="FleetMap.WhenListed"/> and <see cref="Status"/> tell how far it is.</summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    /// <exception cref="ObjectDisposedException">It is disposed.</exception>
    public void Start()
    {
        ObjectDisposedException.ThrowIf(_stopping.IsValueCreated, this);
        if (_running is not null)
        {
            throw new InvalidOperationException("The fleet was started before; one start is enough.");
        }

        Owners.Begin();
        List<Task> loops = _options.ReadOnly ? [] : [RunAsync(_lease.RunAsync), RunAsync(Owners.RunAsync)];
        if (_options.Mirror)
        {
            loops.Add(RunAsync(_follower.RunAsync));
        }

        if (_publisher is { } publisher)
        {
            loops.Add(RunAsync(stop => _feed!.RunAsync(publisher.Dirty, stop)));
            loops.Add(RunAsync(publisher.RunAsync));
        }

        _running = Task.WhenAll(loops);
    }

    /// <summary>Stops. What this host published and claimed goes at once, or stays for the rest of
    /// its time as <see cref="PortmapFleetOptions.KeepEntriesOnStop"/> says. It stops once, and
    /// each caller waits for that.</summary>
    public ValueTask DisposeAsync() => new(_stopping.Value);

    private async Task StopOnceAsync()
    {
        FleetClaim[] held = [.. Owners.Held.All];
        _joined?.Dispose();
        if (_options.KeepEntriesOnStop)
        {
            await Owners.WhenGivenBackAsync().ConfigureAwait(false);   // else the lease goes, and these with it
        }

        // One of the registry's that is left has no lease yet, and gets none.
        ILookup<bool, FleetClaim> isKept = held.ToLookup(claim => !claim.IsOfRegistry && Owners.Held.Find(claim.Owner) == claim);
        await _stop.CancelAsync().ConfigureAwait(false);
        if (_running is { } running)
        {
            await running.ConfigureAwait(false);

            // After the end of the lease's term: a claim that is answered later sees that end itself.
            Owners.LoseAll();
            await (_options.KeepEntriesOnStop
                ? _lease.LeaveAsync(
                    _publisher?.Ended(isKept[false], [.. isKept[true].Select(claim => claim.Epoch)]) ?? [],
                    lease => Owners.SweepAsync(lease, isKept[true].Select(claim => claim.Owner).ToHashSet(StringComparer.Ordinal)))
                : _lease.RevokeAsync()).ConfigureAwait(false);
        }

        _subscribers.End();
        _follower.End();
        _client.Dispose();
        _metrics.Dispose();
    }

    private IDisposable Join(PortRegistry registry)
    {
        try
        {
            return registry.UseFleet(ClaimAsync);
        }
        catch
        {
            _client.Dispose();
            _metrics.Dispose();
            throw;
        }
    }

    private void AddGauges()
    {
        _metrics.AddGauge("portmap.fleet.lease.left", "s", "How long this host's lease at etcd is held for sure; 0 without one", () => Math.Max(0, _lease.Current?.Left.TotalSeconds ?? 0));
        _metrics.AddGauge("portmap.fleet.entries.published", "{entry}", "Entries that etcd has of this host", () => _publisher?.PublishedCount);
        _metrics.AddGauge("portmap.fleet.entries.pending", "{entry}", "Owners that etcd is still to be told of", () => _publisher?.Dirty.Count);
        _metrics.AddGauge("portmap.fleet.claims.held", "{claim}", "Owners that this host holds alone in the fleet", () => Owners.Held.All.Count());
        _metrics.AddGauge("portmap.fleet.map.entries", "{entry}", "Entries of the fleet's map", () => Map.Count);
        _metrics.AddGauge("portmap.fleet.map.hosts", "{host}", "Hosts that show signs of life", () => Map.EnumerateHosts().Length);
        _metrics.AddGauge("portmap.fleet.map.staleness", "s", "How old the map may be; nothing before the first listing", () => Map.Staleness == TimeSpan.MaxValue ? null : Map.Staleness.TotalSeconds);
    }

    private async Task<(long Epoch, Func<bool> IsHeld, CancellationToken Lost, IAsyncDisposable Claim)> ClaimAsync(string owner)
    {
        try
        {
            FleetClaim claim = await Owners.ClaimAsync(owner, isOfRegistry: true, CancellationToken.None).ConfigureAwait(false);
            return (claim.Epoch, () => claim.IsHeld, claim.Lost, claim);
        }
        catch (ObjectDisposedException)
        {
            throw new PortRefusedException(new PortRefusal(PortRefusalReason.NoFleet, Printable.Of($"'{owner}' cannot be claimed: the fleet of this registry is disposed.")) { Owner = owner });
        }
    }

    private async Task RunAsync(Func<CancellationToken, Task> loop)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        Backoff pause = new(_time);
        while (true)
        {
            try
            {
                await loop(_stop.Token).ConfigureAwait(false);
                return;
            }
            catch (Exception) when (_stop.IsCancellationRequested)
            {
                // It was told to stop; whatever it was in the middle of broke off.
                return;
            }
            catch (Exception exception)
            {
                // A mistake of ours: it is not to pass in silence, nor to end this part for good.
                FleetLog.LoopFailed(_logger, exception);
            }

            await pause.WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
