using Portmap.Concurrency.Tests.Audit;

namespace Portmap.Concurrency.Tests;

/// <summary>The real registry behind the stress: <see cref="StressPlan.Processes"/> processes, of
/// which one is this and the others are children.</summary>
internal sealed class RegistryBook : IPortBook, IAsyncDisposable
{
    private readonly PortRegistry _registry;
    private readonly Children _children = new(StressPlan.Processes - 1);
    private readonly PortSession[] _sessions;
    private readonly PortLease?[] _leases = new PortLease?[StressPlan.Owners.Length];
    private readonly long _firstRevision;

    public RegistryBook(PortRegistryOptions options, TimeProvider clock)
    {
        _registry = new PortRegistry(options, null, clock);
        _sessions = [_registry.OpenSession(Environment.ProcessId), .. _children.Ids.Select(id => _registry.OpenSession(id))];
        _firstRevision = _registry.Snapshot().Revision;
    }

    public PortRegistry Registry => _registry;

    public long Acquire(string owner, bool allocatorPicks)
    {
        if (!_registry.TryAcquire(new PortRequest(owner) { Strategy = allocatorPicks ? "AllocatorPicks" : "ProcessBinds" }, out PortLease? lease, out _))
        {
            return 0;
        }

        LeaseOf(owner) = lease;
        return lease.Epoch;
    }

    public long Register(int process, string owner, int port, bool withEpoch)
    {
        long epoch = 0;
        if (withEpoch && LeaseOf(owner) is { } lease)
        {
            epoch = lease.Epoch;
            port = lease.Port != 0 ? lease.Port : port;
        }

        return _sessions[process].TryRegister(new PortClaimRequest(owner, port) { Epoch = epoch }, out PortEntry entry, out _) ? entry.Epoch ?? 0 : 0;
    }

    public bool Release(int process, string owner) => _sessions[process].TryRelease(owner, out _);

    public void ReleaseLease(string owner) => LeaseOf(owner)?.TryRelease(out _);

    public void ReportBindFailure(int process, string owner)
    {
        if (LeaseOf(owner) is { Port: not 0 } lease)
        {
            ValueTask<PortLease> healed = _sessions[process].ReportBindFailureAsync(new PortClaimRequest(owner, lease.Port) { Epoch = lease.Epoch });
            if (healed.IsCompletedSuccessfully)
            {
                LeaseOf(owner) = healed.Result;
            }
            else if (healed.AsTask().Exception is { InnerException: not PortRefusedException } wrong)
            {
                throw wrong;
            }
        }
    }

    public bool TryGetPort(string owner, out int port) => _registry.TryGetPort(owner, out port);

    public IReadOnlyList<Holding> Holdings() => [.. _registry.Snapshot().Entries
        .Where(entry => entry.State is PortState.Reserved or PortState.Bound)
        .Select(ToHolding)];

    public IReadOnlyList<Holding> OwnersOn(int port) => [.. _registry.EnumerateOwners(port).Select(ToHolding)];

    public async Task<IReadOnlyList<HistoryEvent>> HistoryAsync()
    {
        long lastRevision = _registry.Snapshot().Revision;
        List<HistoryEvent> history = [];
        if (lastRevision == _firstRevision)
        {
            return history;
        }

        using CancellationTokenSource limit = Deadline.Source();
        await foreach (PortChange change in _registry.ChangesAsync(_firstRevision, limit.Token))
        {
            if (change.Entry.Epoch is { } epoch)
            {
                bool begins = change.Kind is PortChangeKind.Acquired or PortChangeKind.Registered;
                string what = FormattableString.Invariant($"{change.Kind} {change.Entry.Port} by {change.Entry.ProcessId} at {change.Revision - _firstRevision}");
                history.Add(new HistoryEvent(!begins, change.Entry.Owner, epoch, what, change.Entry.Protocol));
            }

            if (change.Revision == lastRevision)
            {
                break;
            }
        }

        return history;
    }

    public async ValueTask DisposeAsync()
    {
        await _registry.DisposeAsync();
        _children.Dispose();
    }

    private static Holding ToHolding(PortEntry entry) => new(entry.Owner, entry.Port, entry.Epoch ?? 0, entry.ProcessId ?? 0, entry.Protocol);

    private ref PortLease? LeaseOf(string owner) => ref _leases[Array.IndexOf(StressPlan.Owners, owner)];
}
