using System.Collections.Immutable;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Calling;

/// <summary>What a reader of the map asks: for all of it, and for what changes.</summary>
internal static class MapCalls
{
    /// <summary>
    /// How long one long poll waits. Short, so that those whose reader has left do not fill the
    /// connection's share for long.
    /// </summary>
    private const uint PollMilliseconds = 10_000;

    /// <summary>How many listings are begun for one snapshot.</summary>
    public const int MaxListings = 4;

    /// <summary>
    /// Reads a listing. One that the daemon drops is begun again, a few times and within the limit
    /// of one call.
    /// </summary>
    /// <exception cref="PortRefusedException">
    /// RevisionTooOld: the daemon dropped each of them.
    /// </exception>
    public static async Task<PortSnapshot> SnapshotAsync(RpcCaller caller, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = caller.BeginLimit();
        TimeSpan delay = TimeSpan.Zero;
        for (int begun = 1; ; begun++)
        {
            try
            {
                return await ListAsync(caller, cancellationToken).ConfigureAwait(false);
            }
            catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.RevisionTooOld && begun < MaxListings && !limit.IsCancellationRequested)
            {
                // A pause, and not the same for all: two that list over one connection drop each
                // other's.
                delay = Connection.NextDelay(delay);
                await Task.Delay(Connection.Spread(delay, new Random()), TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Waits for what comes after a revision, at most for the length of one long poll; -1 asks what
    /// the revision is, and does not wait.
    /// </summary>
    public static Task<PortUpdate> WaitForChangeAsync(RpcCaller caller, long after, CancellationToken cancellationToken) => caller.AskAsync(
        PortmapProcedure.WaitForChange,
        writer =>
        {
            writer.WriteInt64(after);
            writer.WriteUInt32(after < 0 ? 0 : PollMilliseconds);
        },
        static (ref XdrReader reader) =>
        {
            long revision = reader.ReadInt64();
            int count = reader.ReadInt32();
            ImmutableArray<PortChange>.Builder changes = ImmutableArray.CreateBuilder<PortChange>();
            for (int i = 0; i < count; i++)
            {
                changes.Add(PortmapXdr.ReadChange(ref reader));
            }

            return new PortUpdate(revision, changes.DrainToImmutable());
        },
        cancellationToken,
        TimeSpan.FromMilliseconds(PollMilliseconds));

    private static async Task<PortSnapshot> ListAsync(RpcCaller caller, CancellationToken cancellationToken)
    {
        ImmutableArray<PortEntry>.Builder entries = ImmutableArray.CreateBuilder<PortEntry>();
        long revision = 0;
        uint next = 0;
        do
        {
            (revision, next) = await ListPageAsync(caller, entries, revision, next, cancellationToken).ConfigureAwait(false);
        }
        while (next != 0);

        return new PortSnapshot(entries.DrainToImmutable(), revision);
    }

    private static Task<(long Revision, uint Next)> ListPageAsync(
        RpcCaller caller, ImmutableArray<PortEntry>.Builder entries, long listing, uint start, CancellationToken cancellationToken) => caller.AskAsync(
        PortmapProcedure.List,
        writer =>
        {
            writer.WriteInt64(listing);
            writer.WriteUInt32(start);
        },
        (ref XdrReader reader) =>
        {
            long revision = reader.ReadInt64();
            int count = reader.ReadInt32();
            for (int i = 0; i < count; i++)
            {
                entries.Add(PortmapXdr.ReadEntry(ref reader));
            }

            return (revision, reader.ReadUInt32());
        },
        cancellationToken);
}
