using System.Collections.Immutable;

namespace Portmap;

/// <summary>
/// One step of a reader that watches the map: all of it, or what has changed since the step before.
/// </summary>
/// <remarks>
/// <para>Immutable and safe for any thread.</para>
/// <para>A reader that asked for no snapshots is given an update without changes in place of one:
/// it begins there, or has missed what came before.</para>
/// </remarks>
public sealed class PortUpdate
{
    /// <summary>Makes an update out of a snapshot.</summary>
    /// <param name="snapshot">The snapshot.</param>
    /// <exception cref="ArgumentNullException"><paramref name="snapshot"/> is null.</exception>
    public PortUpdate(PortSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        Snapshot = snapshot;
        Revision = snapshot.Revision;
    }

    /// <summary>Makes an update out of changes.</summary>
    /// <param name="revision">
    /// The revision of the last of them; without any, where the reader begins.
    /// </param>
    /// <param name="changes">The changes; <c>default</c> is none.</param>
    public PortUpdate(long revision, ImmutableArray<PortChange> changes)
    {
        Revision = revision;
        Changes = changes.IsDefault ? [] : changes;
    }

    /// <summary>What the reader has seen with this step; a later watch can go on from it.</summary>
    public long Revision { get; }

    /// <summary>
    /// Everything there is, in place of all that the reader knew; null when these are changes.
    /// </summary>
    public PortSnapshot? Snapshot { get; }

    /// <summary>
    /// What has happened since the step before, in order and without a gap; empty beside a
    /// snapshot.
    /// </summary>
    /// <value>
    /// All there was when the reader asked for the next step, at most 512; the rest comes with the
    /// steps after it.
    /// </value>
    public ImmutableArray<PortChange> Changes { get; } = [];
}
