using Portmap.Processes;

namespace Portmap.Persistence;

/// <summary>
/// A store that was read, and on which this run's mark and what has ended since are written.
/// </summary>
/// <param name="Store">The store.</param>
/// <param name="BootId">The boot of the host.</param>
/// <param name="Recovery">What its facts mean now.</param>
/// <param name="FirstEpoch">The first epoch of this run.</param>
/// <param name="Unreadable">What could not be read, in words.</param>
/// <param name="Remembered">The facts of the last owner of each port.</param>
internal sealed record OpenedStore(
    IPortStore Store,
    Guid BootId,
    Recovery Recovery,
    long FirstEpoch,
    IReadOnlyList<string> Unreadable,
    IReadOnlyCollection<PortFact> Remembered)
{
    /// <summary>How far ahead the mark of the epochs is set.</summary>
    /// <remarks>4 billion leases, so that drawing a number never waits for the disk.</remarks>
    public const long MarkAhead = 1L << 36;

    /// <summary>No run begins above this epoch, so that there is room above for its own.</summary>
    /// <remarks>Half as much again as the highest that a clock gives.</remarks>
    private const long MostEpochs = 3L << 61;

    /// <summary>Epochs are drawn in blocks of this; the first one begins a block.</summary>
    private const long Block = 16_384;

    /// <summary>The mark of the epochs that is on disk.</summary>
    public long Mark => FirstEpoch + MarkAhead;

    /// <summary>Reads a store, decides what its facts mean now, and writes that.</summary>
    public static async Task<OpenedStore> OpenAsync(
        IPortStore store,
        RunStart start,
        TimeSpan reuseDelay,
        Func<ProcessIdentity, bool> isAlive,
        CancellationToken cancellationToken)
    {
        // Not on the caller's thread: a store may block it, and the caller waits for a limited time
        // only.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        List<string> unreadable = [];
        PortFactSet facts = await LoadAsync(store, unreadable.Add, cancellationToken).ConfigureAwait(false);
        Recovery recovery = Recovery.Of(facts, start.BootId, start.At, reuseDelay, isAlive);

        long used = recovery.UsedEpochs;
        if (used > MostEpochs)
        {
            StoreRefusals.EpochTooHigh(used, MostEpochs).Throw();
        }

        // Before anything is written: what is told of this state is told by an opening that succeeds.
        // One owner has at least one fact, so they are told apart only where there are too many facts.
        int owners = recovery.Bound.Count + recovery.Reserved.Count;
        owners = owners <= start.MaxOwners ? owners : recovery.Bound.Concat(recovery.Reserved).Select(fact => (fact.Protocol, fact.Owner)).Distinct().Count();
        if (owners > start.MaxOwners)
        {
            StoreRefusals.TooManyOwners(owners, start.MaxOwners).Throw();
        }

        // An empty store has no mark: as without a store, so that epochs of runs before it had one
        // are lower. A lost mark: well above all that was given; where anything is damaged, the
        // newest mark may be, and an older one be there.
        bool mayBeLost = recovery.IsMarkLost || unreadable.Count > 0;
        if (facts.Mark is null || mayBeLost)
        {
            used = Math.Max(used, start.FirstEpoch);
        }

        used += mayBeLost ? MarkAhead : 0;
        if (recovery.IsMarkLost)
        {
            unreadable.Add("The mark of the epochs was lost; this run begins well above the highest epoch that was read.");
        }

        long first = ((used / Block) + 1) * Block;
        OpenedStore opened = new(store, start.BootId, recovery, first, unreadable, RememberedPorts.Of(recovery.All, facts.HasSeveral));
        await store.AppendAsync([PortFact.Mark(opened.Mark), .. recovery.Ended], cancellationToken).ConfigureAwait(false);
        return opened;
    }

    private static async ValueTask<PortFactSet> LoadAsync(IPortStore store, Action<string> onUnreadable, CancellationToken cancellationToken)
    {
        if (store is FilePortStore file)
        {
            file.Load(onUnreadable, cancellationToken);
            return file.Facts;   // read until the first append
        }

        PortFactSet facts = new();
        await store.LoadAsync(facts.Apply, onUnreadable, cancellationToken).ConfigureAwait(false);
        return facts;
    }
}
