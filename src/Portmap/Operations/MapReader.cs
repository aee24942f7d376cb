using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Portmap.Operations;

/// <summary>Reads the map and its changes for those who watch. Holds nobody up.</summary>
internal sealed class MapReader(RegistryParts parts)
{
    /// <summary>Everything there is, and where to go on from.</summary>
    public PortSnapshot Snapshot()
    {
        parts.Fleet?.EndLost();
        long revision = parts.Changes.StartAndGetRevision();   // before the look: what comes during it is told again
        return new PortSnapshot(parts.Entries.All(), revision);
    }

    /// <summary>Reads a snapshot first, unless it goes on from a revision, then what changes. See
    /// <see cref="PortRegistry.WatchAsync"/>.</summary>
    public async IAsyncEnumerable<PortUpdate> ReadAsync(
        long? afterRevision, long begin, bool snapshots, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        long revision = afterRevision ?? begin;
        if (afterRevision is null)
        {
            PortUpdate first = snapshots ? new PortUpdate(Snapshot()) : new PortUpdate(begin, []);
            revision = first.Revision;
            yield return first;
        }

        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Task changed = parts.Changes.Changed;   // before the look, so that a change that comes after the look wakes us
            bool isLast = parts.Changes.IsCompleted;   // before the look as well: what comes between the two would never be told
            if (!parts.Changes.TryRead(revision, parts.Entries.Making, out ImmutableArray<PortChange> changes))
            {
                PortUpdate anew = snapshots ? new PortUpdate(Snapshot()) : new PortUpdate(parts.Changes.StartAndGetRevision(), []);
                revision = anew.Revision;
                yield return anew;
            }
            else if (changes is [.., { } newest])
            {
                revision = newest.Revision;
                yield return new PortUpdate(revision, changes);
            }
            else if (isLast)
            {
                yield break;
            }
            else
            {
                await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
