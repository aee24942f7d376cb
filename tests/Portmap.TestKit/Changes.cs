using System.Runtime.CompilerServices;

namespace Portmap.TestKit;

/// <summary>Changes one by one, for tests that wait for one of them.</summary>
public static class Changes
{
    /// <summary>Reads every change after a revision; falling behind fails the test.</summary>
    public static async IAsyncEnumerable<PortChange> ChangesAsync(
        this PortRegistry registry, long afterRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (PortUpdate update in registry.WatchAsync(afterRevision, snapshots: false, cancellationToken))
        {
            if (update.Changes.IsEmpty)
            {
                throw new InvalidOperationException($"The changes after revision {afterRevision} are not kept any more.");
            }

            foreach (PortChange change in update.Changes)
            {
                afterRevision = change.Revision;
                yield return change;
            }
        }
    }

    /// <summary>Waits for a change that comes after a revision.</summary>
    public static async Task<PortChange> ChangeAsync(this PortRegistry registry, long afterRevision, Func<PortChange, bool> matches)
    {
        ArgumentNullException.ThrowIfNull(matches);
        using CancellationTokenSource end = Deadline.Source();
        await foreach (PortChange change in registry.ChangesAsync(afterRevision, end.Token))
        {
            if (matches(change))
            {
                return change;
            }
        }

        throw new InvalidOperationException("The watch ended by itself.");
    }
}
