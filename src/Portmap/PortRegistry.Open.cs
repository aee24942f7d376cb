using Microsoft.Extensions.Logging;
using Portmap.Diagnostics;
using Portmap.Persistence;
using Portmap.Processes;
using Portmap.Table;

namespace Portmap;

// How a registry comes back from its store.
public sealed partial class PortRegistry
{
    /// <summary>Opens a registry that keeps its state over crashes, power loss and reboots.</summary>
    /// <param name="options">The options; read now, so that later changes have no effect.</param>
    /// <param name="store">Where the state is kept, and given up with the registry, also when opening fails. null: in
    /// <see cref="PortRegistryOptions.StateFolder"/>, or, if there is none, in memory only.</param>
    /// <param name="logger">Where it logs; null logs nothing.</param>
    /// <param name="timeProvider">The clock of all its times; null is the system's.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The registry. Registrations of processes that still live are Recovered: their ports are held, lookups answer from their sign-in on. Those of
    /// dead ones, and all after a reboot of the host, have ended. Open leases and cooling ports have the time left that they had.</returns>
    /// <remarks>Reads each process once and never binds. Ports outside the configured range are kept for their owners and not handed out again.</remarks>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">Options are wrong; each wrong value is named with its bound and remedy.</exception>
    /// <exception cref="PortRefusedException">StateInUse: another daemon has the state; StateUnreadable: it is of a newer version; StoreFailed: it cannot
    /// be read or written, or not within <see cref="PortRegistryOptions.OpenTimeout"/>; TooManyOwners: more than MaxOwners are stored.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static Task<PortRegistry> OpenAsync(
        PortRegistryOptions options, IPortStore? store = null, ILogger<PortRegistry>? logger = null, TimeProvider? timeProvider = null, CancellationToken cancellationToken = default) =>
        OpenOnAsync(options, store, BootIdentity.Current, logger, timeProvider ?? TimeProvider.System, cancellationToken);

    /// <summary>As <see cref="OpenAsync"/>, in a certain boot of the host.</summary>
    internal static async Task<PortRegistry> OpenOnAsync(
        PortRegistryOptions options, IPortStore? store, Guid bootId, ILogger<PortRegistry>? logger, TimeProvider time, CancellationToken cancellationToken)
    {
        PortRegistrySettings settings = PortRegistrySettings.Of(options, inMemory: false);
        store ??= options.StateFolder is { } folder ? new FilePortStore(folder, time) : null;
        if (store is null)
        {
            return new PortRegistry(options, logger, time);
        }

        DateTimeOffset now = time.GetUtcNow();
        StoreOpening opening = new(store, cancellationToken);
        try
        {
            OpenedStore opened = await opening.Begin(new(bootId, now, EpochSource.FirstAt(now)), settings.ReuseDelay)
                .WaitAsync(settings.OpenTimeout, time, cancellationToken).ConfigureAwait(false);

            // Its clock counts from 1970 on, so that what came about in earlier runs has a time.
            PortRegistry registry = new(options, settings, logger, new RegistryClock(time, now.ToUnixTimeMilliseconds()), opened);
            opening.Dispose();
            return registry;
        }
        catch (Exception exception)
        {
            await opening.GiveUpAsync().ConfigureAwait(false);
            throw exception switch
            {
                PortRefusedException => exception,
                OperationCanceledException when cancellationToken.IsCancellationRequested => exception,
                TimeoutException => new PortRefusedException(Refusals.OpenTimeout(settings)),
                _ => new PortRefusedException(Refusals.OpenFailed(exception)),
            };
        }
    }

    private void Restore(OpenedStore opened)
    {
        Recovery recovery = opened.Recovery;
        foreach (PortFact fact in opened.Remembered)
        {
            _table.Space(fact.Protocol).Last.Remember(OwnerOf(fact), fact.Port);
        }

        _fence.Restore(recovery.Last, isWhole: Confirms && opened.Unreadable.Count == 0);
        _table.Index.MakeRoom(recovery.Bound.Count + recovery.Reserved.Count);
        foreach (PortFact fact in recovery.Cooling)
        {
            RestoreCooling(fact);
        }

        Dictionary<(ProcessIdentity, uint?), PortSession> sessions = [];
        foreach (PortFact fact in recovery.Bound)
        {
            ProcessIdentity process = Recovery.ProcessOf(fact);
            if (!sessions.TryGetValue((process, fact.UserId), out PortSession? session))
            {
                sessions.Add((process, fact.UserId), session = new PortSession(this, process, fact.UserId));
            }

            PortClaim claim = PortClaim.ForRegistration(fact.Protocol, fact.Port, fact.Epoch, StrategyOf(fact), session, consumes: null, Confirms, fact.Origin);
            Restore(claim, fact.Owner, Clock.ToMs(fact.At));
        }

        // After the registrations: a lease is above what its owner has. One for both protocols is two facts of one epoch.
        foreach (IGrouping<(string Owner, long Epoch), PortFact> lease in recovery.Reserved.GroupBy(fact => (fact.Owner, fact.Epoch)))
        {
            RestoreLease([.. lease.OrderBy(fact => fact.Protocol)]);
        }

        foreach (string what in opened.Unreadable)
        {
            AddFinding(new PortFinding(PortFindingKind.StateUnreadable, what, "what was read is in force", "Look at what was kept aside, and at the disk"));
        }

        PortmapLog.Opened(_log.Logger, recovery.Bound.Count, recovery.Reserved.Count, recovery.Ended.Count);
    }

    private void RestoreCooling(PortFact fact)
    {
        // Never longer than ports cool now.
        long left = Math.Min((long)(fact.Until - Clock.ToUtc(NowMs)).TotalMilliseconds, (long)Settings.ReuseDelay.TotalMilliseconds);
        long endedAt = Math.Max(0, NowMs + left - (long)Settings.ReuseDelay.TotalMilliseconds);
        PortSpace space = _table.Space(fact.Protocol);

        // The fact does not tell whether the process died or signed out. Taken for a death, a port that would have been kept goes back to its owner.
        ClaimEnd cause = fact.ProcessId != 0 ? ClaimEnd.Died : ClaimEnd.Released;
        space.Slots.TrySet(fact.Port, null, PortClaim.ForCooling(fact.Protocol, fact.Port, fact.Epoch, StrategyOf(fact), OwnerOf(fact), cause, endedAt));
        space.Free.TryTake(fact.Port);
        space.Cool(fact.Port, endedAt);
    }

    private void RestoreLease(PortFact[] halves)
    {
        PortFact first = halves[0];
        PortRequest request = new(first.Owner)
        {
            Protocol = halves.Length == 2 ? PortProtocol.TcpAndUdp : first.Protocol,
            Strategy = StrategyName(StrategyOf(first)),
            UserId = first.UserId,
        };

        // Who acquired it for a user is not stored: it counts as that user, who has a right to no more than its own.
        PortLease lease = new(this, request, first.UserId is { } user ? new PortSession(this, 0, user) : null);
        PortClaim[] claims = [.. halves.Select(half => PortClaim.ForLease(half.Protocol, half.Port, half.Epoch, StrategyOf(half), lease, consumes: null, Confirms))];
        lease.Grant(claims[0], claims.Length == 2 ? claims[1] : null);
        for (int i = 0; i < halves.Length; i++)
        {
            // What held the port ended with the daemon.
            claims[i].Guarantee = halves[i].Port == 0 ? PortGuarantee.HeldByProcess : PortGuarantee.LedgerOnly;
            // For what is left of its time, by the wall clock; never longer than a lease lives now, also when that was set back.
            long left = Math.Clamp((long)(halves[i].Until - Clock.ToUtc(NowMs)).TotalMilliseconds, 0, Settings.LeaseTimeoutMs);
            Restore(claims[i], first.Owner, Math.Max(0, NowMs + left - Settings.LeaseTimeoutMs));
        }
    }

    /// <summary>Puts a claim where it was; nothing else runs yet.</summary>
    private void Restore(PortClaim claim, string owner, long at)
    {
        if (Confirms)
        {
            claim.TryMark(claim.Word, claim.Word.Written());
        }

        claim.TryTakeEffect(claim.Word, at);
        int hash = _table.Index.Hash(claim.Protocol, owner);
        if (_table.Index.Find(claim.Protocol, owner, hash) is { } cell)
        {
            PortTable.TryPush(cell, cell.Top, claim);
        }
        else
        {
            claim.Cell = new OwnerCell(owner, claim.Protocol, hash, claim);
            OwnerIndex.Insertion insertion;
            while ((insertion = _table.Index.TryInsert(claim.Cell)) == OwnerIndex.Insertion.Raced)
            {
                // The index has grown.
            }

            if (insertion == OwnerIndex.Insertion.Full)
            {
                Refusals.TooManyStored(Settings.MaxOwners).Throw();
            }
        }

        if (claim.Port != 0)
        {
            PortSpace space = _table.Space(claim.Protocol);
            object? slot = space.Slots[claim.Port];
            space.Slots.TrySet(claim.Port, slot, slot is null ? claim : (PortClaim[])[claim, .. PortSlots.Claims(ref slot)]);
            space.Free.TryTake(claim.Port);
        }
    }

    /// <summary>The grace after the opening is over: who has not signed in again is looked at once more.</summary>
    private void SettleRecovered()
    {
        try
        {
            bool isAnyOver = false;
            foreach (OwnerCell cell in _table.Index.Cells())
            {
                isAnyOver |= cell.Served()?.Session is { IsRecovered: true } session && !session.CheckAliveEvery(intervalMs: 0, NowMs);
            }

            if (isAnyOver)
            {
                SweepEndedSessions();
            }
        }
        catch (Exception exception)
        {
            ReportFailedPass(exception);   // a timer must go on
        }
    }

    /// <summary>A cell that is in no index: nothing but its name counts.</summary>
    private OwnerCell OwnerOf(PortFact fact) => new(fact.Owner, fact.Protocol, _table.Index.Hash(fact.Protocol, fact.Owner), PortClaim.Dead);

    private byte StrategyOf(PortFact fact) => (byte)(TryFindStrategy(fact.Strategy, out int strategy) ? strategy : _defaultStrategy);
}
