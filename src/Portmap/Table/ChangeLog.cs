using System.Collections.Immutable;
using System.Numerics;

namespace Portmap.Table;

/// <summary>The last changes, numbered without gaps, for any number of readers.</summary>
/// <remarks>
/// <code>
///   ring[revision &amp; mask] ──► change (its revision is in it)      _last: the newest revision, or one behind while its writer is on the way
/// </code>
/// <list type="bullet">
/// <item>I1. A change enters by the CAS of its place from the change one turn older, so revisions
/// have no gaps; whoever finds the place filled moves <c>_last</c> on and tries the next
/// one.</item>
/// <item>I2. What became of a claim is never told after its end: the claim's word is read after the
/// place and before the CAS, and the end enters only after the word says it. So either the end is
/// seen there, and nothing is told, or the end has yet to enter, and does so at a later
/// place.</item>
/// <item>I3. A reader that finds a newer revision in a place has been overtaken and is told
/// so.</item>
/// </list>
/// Progress: Append is lock-free; readers await and never hold a writer up.
/// </remarks>
internal sealed class ChangeLog
{
    /// <summary>How many changes are read at once: an array of them is no large object, and who
    /// reads for others holds little.</summary>
    public const int MaxRead = 512;

    private readonly Change?[] _ring;
    private readonly long _first;
    private long _last;
    private int _recording;
    private int _completed;
    private TaskCompletionSource? _signal;

    public ChangeLog(int capacity, long first)
    {
        _ring = new Change?[BitOperations.RoundUpToPowerOf2((uint)capacity)];
        _first = first;
        _last = first;
    }

    /// <summary>Whether anybody ever asked; before that changes cost one read.</summary>
    public bool IsRecording => Volatile.Read(ref _recording) != 0;

    /// <summary>Whether nothing comes any more.</summary>
    public bool IsCompleted => Volatile.Read(ref _completed) != 0;

    /// <summary>Completes with the next change, or when nothing comes any more. Take it before the
    /// look that it is to follow.</summary>
    public Task Changed
    {
        get
        {
            TaskCompletionSource? signal = Volatile.Read(ref _signal);
            if (signal is null)
            {
                signal = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                signal = Interlocked.CompareExchange(ref _signal, signal, null) ?? signal;
            }

            return signal.Task;
        }
    }

    public long StartAndGetRevision()
    {
        if (!IsRecording)
        {
            Hook.At(Step.StartRecording);
            Interlocked.Exchange(ref _recording, 1);   // a full fence: a change that takes effect after the caller's next read of the table sees it
        }

        long last = Volatile.Read(ref _last);
        while (Volatile.Read(ref Place(last + 1)) is { } change && change.Revision == last + 1)
        {
            last++;
        }

        return last;
    }

    /// <summary>Adds a change.</summary>
    /// <param name="kind">What happened.</param>
    /// <param name="entry">The entry after it.</param>
    /// <param name="living">The claim that must not have ended, for what is no ending.</param>
    public void Append(PortChangeKind kind, in PortEntry entry, ClaimView living = default)
    {
        while (true)
        {
            long revision = Volatile.Read(ref _last) + 1;
            ref Change? place = ref Place(revision);
            Change? old = Volatile.Read(ref place);
            if (old is null || old.Revision < revision)
            {
                if (living.Now().Stage == ClaimStage.Ended)
                {
                    return;   // I2: its end is told, or will be
                }

                // Publishes the change to readers; fails when another writer had the place (I1).
                Change change = new(new PortChange(revision, kind, entry));
                Hook.At(Step.PlaceChange);
                if (ReferenceEquals(Interlocked.CompareExchange(ref place, change, old), old))
                {
                    Hook.At(Step.CountChange);
                    Interlocked.CompareExchange(ref _last, revision, revision - 1);
                    Wake();
                    return;
                }
            }

            Hook.At(Step.CountChange);
            Interlocked.CompareExchange(ref _last, revision, revision - 1);   // help a writer that stopped between its two steps
        }
    }

    public void Complete()
    {
        Volatile.Write(ref _completed, 1);
        Wake();
    }

    /// <summary>Reads what has come after a revision: all there is, which may be nothing, and at
    /// most <see cref="MaxRead"/>.</summary>
    /// <returns>False when it cannot be told without a gap (I3): the revision is not kept any more,
    /// or was never one of this run.</returns>
    public bool TryRead(long after, out ImmutableArray<PortChange> changes)
    {
        changes = [];
        long last = StartAndGetRevision();
        if (after < _first || after > last)
        {
            return false;
        }

        if (after == last)
        {
            return true;
        }

        last = Math.Min(last, after + MaxRead);
        var read = ImmutableArray.CreateBuilder<PortChange>((int)(last - after));
        while (after < last)
        {
            Change? change = Volatile.Read(ref Place(++after));
            if (change!.Revision != after)
            {
                return false;   // overtaken while it read
            }

            read.Add(change.Value);
        }

        changes = read.MoveToImmutable();
        return true;
    }

    private ref Change? Place(long revision) => ref _ring[revision & (_ring.Length - 1)];

    private void Wake()
    {
        if (Volatile.Read(ref _signal) is not null)
        {
            Hook.At(Step.WakeReaders);
            Interlocked.Exchange(ref _signal, null)?.TrySetResult();
        }
    }

    private sealed class Change(PortChange value)
    {
        public PortChange Value { get; } = value;

        public long Revision => Value.Revision;
    }
}
