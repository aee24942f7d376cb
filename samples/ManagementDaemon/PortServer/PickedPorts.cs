using System.Collections.Concurrent;
using Portmap;

namespace ManagementDaemon.PortServer;

/// <summary>The ports that were picked for processes; a port goes back when its process has
/// died.</summary>
/// <remarks>Each is a lease on one number of both protocols, held by the ledger alone from the
/// answer on (StepAside): clients bind as they like, with SO_REUSEADDR or without, and a
/// placeholder would refuse those without.</remarks>
internal sealed class PickedPorts(PortRegistry registry)
{
    public const int MostPerProcess = 4_096;

    /// <summary>As long as a lease may last, and extended before that is over: a port is its
    /// process's until that has died, whether it listens or not.</summary>
    private static readonly TimeSpan s_term = TimeSpan.FromHours(24);

    private readonly ConcurrentDictionary<PickingProcess, Hand> _hands = [];

    /// <summary>Takes over what an earlier run of the daemon gave: the state has its leases. What
    /// was a process's that has died since goes back.</summary>
    public async Task AdoptAsync()
    {
        await using PortSession host = registry.OpenSession(Environment.ProcessId);   // the daemon's user may speak for all of them
        foreach (IGrouping<string, PortEntry> halves in registry.Snapshot().Entries.Where(entry => entry.State == PortState.Reserved).GroupBy(entry => entry.Owner).ToArray())
        {
            if (!PickedName.TryParse(halves.Key, out PickedName name))
            {
                continue;
            }

            PortClaimRequest claim = new(halves.Key) { Epoch = halves.First().Epoch, Protocol = halves.First().Protocol };
            try
            {
                PortLease lease = await host.ExtendAsync(claim, s_term);
                Hand? hand = PickingProcess.Find(name.ProcessId) is { } process && process.StartTime == name.StartTime ? _hands.GetOrAdd(process, Open) : null;
                if (hand?.TryKeep(lease, name.Number) != true)
                {
                    await lease.ReleaseAsync();
                }
            }
            catch (PortRefusedException)
            {
                // It ended meanwhile, or the state cannot be written: the lease times out.
            }
        }
    }

    /// <returns>The lease, its gate closed, or null when there is no port.</returns>
    /// <exception cref="OperationCanceledException">It took too long; a port that comes all the same
    /// goes back with its process.</exception>
    public async Task<PortLease?> PickAsync(PickingProcess process, CancellationToken cancellationToken)
    {
        Hand hand = _hands.GetOrAdd(process, Open);

        // Who gives up waiting does not end the lease: it is kept however late it comes.
        return hand.TryName(out string owner) ? await KeepAsync(hand, owner).WaitAsync(cancellationToken) : null;
    }

    private static async Task<PortLease?> KeepAsync(Hand hand, string owner)
    {
        try
        {
            PortLease lease = await hand.Session.AcquireAsync(
                new PortRequest(owner)
                {
                    Protocol = PortProtocol.TcpAndUdp,
                    Strategy = PortRegistryOptions.AllocatorPicks,
                    Guard = PortGuardMode.StepAside,
                    Reuse = PortReuse.Fresh,
                    LeaseTimeout = s_term,
                },
                CancellationToken.None);
            if (hand.TryKeep(lease))
            {
                return lease;
            }

            await lease.ReleaseAsync(CancellationToken.None);   // it died meanwhile
        }
        catch (Exception e) when (e is PortRefusedException or ObjectDisposedException)
        {
            // Exhausted, the process has died, or the daemon ends: the client is told 0 and says so
            // itself.
        }

        return null;
    }

    private Hand Open(PickingProcess process)
    {
        Hand hand = new(process, registry.OpenSession(process.Id, process.UserId));
        _ = ReturnAsync(hand);
        return hand;
    }

    private async Task ReturnAsync(Hand hand)
    {
        using PeriodicTimer term = new(s_term / 2);
        Task<bool> over = term.WaitForNextTickAsync().AsTask();
        while (await Task.WhenAny(hand.Session.Ended, over) == over)
        {
            await ExtendAsync(hand);
            over = term.WaitForNextTickAsync().AsTask();
        }

        _hands.TryRemove(hand.Process, out _);
        foreach (PortLease lease in hand.Close())
        {
            try
            {
                await lease.ReleaseAsync();
            }
            catch (Exception e) when (e is PortRefusedException or ObjectDisposedException)
            {
                // The state cannot be written now, or the daemon ends: the lease times out.
            }
        }

        await hand.Session.DisposeAsync();
    }

    private static async Task ExtendAsync(Hand hand)
    {
        foreach (PortLease lease in hand.Leases)
        {
            try
            {
                await lease.ExtendAsync(s_term);
            }
            catch (Exception e) when (e is PortRefusedException or ObjectDisposedException)
            {
                // It ends when it was to end before; the process may still use the number.
            }
        }
    }

    /// <summary>What one process holds.</summary>
    private sealed class Hand(PickingProcess process, PortSession session)
    {
        private readonly Lock _lock = new();
        private readonly List<PortLease> _leases = [];
        private int _asked;
        private bool _isClosed;

        public PickingProcess Process => process;

        public PortSession Session => session;

        /// <summary>A name for the next port, unless it has enough.</summary>
        public bool TryName(out string owner)
        {
            int number = Interlocked.Increment(ref _asked);
            owner = new PickedName(process.Id, process.StartTime, number).ToString();
            return number <= MostPerProcess;
        }

        public PortLease[] Leases
        {
            get
            {
                lock (_lock)
                {
                    return [.. _leases];
                }
            }
        }

        /// <param name="lease">The lease.</param>
        /// <param name="number">Its number, when it is of an earlier run: those that follow have
        /// higher ones.</param>
        public bool TryKeep(PortLease lease, int number = 0)
        {
            lock (_lock)
            {
                _asked = Math.Max(_asked, number);
                if (!_isClosed)
                {
                    _leases.Add(lease);
                }

                return !_isClosed;
            }
        }

        public List<PortLease> Close()
        {
            lock (_lock)
            {
                _isClosed = true;
                return _leases;
            }
        }
    }
}
