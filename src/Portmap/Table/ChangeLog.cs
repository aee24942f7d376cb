using System.Collections.Immutable;
using System.Numerics;

namespace Portmap.Table;

/// <summary>The last changes, numbered without gaps, for any number of readers.</summary>
/// <remarks>
/// <code>
///   ring[revision &amp; mask] ──► change (its revision is in it)      _last: a revision that is or was there; the newest one, or some behind it
/// </code>
/// <list type="bullet">
/// <item>I1. A change enters by the CAS of its place from the change one turn older, behind a
/// revision that is or was there, so revisions have no gaps; whoever finds the place filled tries
/// the one behind what fills it. <c>_last</c> only says where to begin: of two who write it either
/// may stay, and a place that was passed never holds an older revision again.</item>
/// <item>I2. What became of a claim is never told after its end: the claim's word is read after the
/// place and before the CAS, and the end enters only after the word says it. So either the end is
/// seen there, and nothing is told, or the end has yet to enter, and does so at a later
/// place.</item>
/// <item>I3. A reader that finds a newer revision in a place has been overtaken and is told
/// so.</item>
/// </list>
/// A change keeps what may be otherwise later, and is made an entry when it is read. Progress:
/// Append is lock-free; readers await and never hold a writer up.
/// </remarks>
internal sealed class ChangeLog
{
    /// <summary>How many changes are read at once: an array of them is no large object, and who
    /// reads for others holds little.</summary>
    public const int MaxRead = 512;

    private readonly EntryFacts?[] _ring;
    private readonly long _first;
    private long _last;
    private int _recording;
    private int _completed;
    private TaskCompletionSource? _signal;

    public ChangeLog(int capacity, long first)
    {
        _ring = new EntryFacts?[BitOperations.RoundUpToPowerOf2((uint)capacity)];
        _first = first;
        _last = first;
    }

    /// <summary>Whether anybody ever asked; before that changes cost one read.</summary>
    public bool IsRecording => Volatile.Read(ref _recording) != 0;

    /// <summary>Whether nothing comes any more. What came before that is found by a look that begins
    /// after this was asked, and may be missed by one that began earlier.</summary>
    public bool IsCompleted
    {
        get
        {
            Hook.At(Step.ReadCompleted);
            return Volatile.Read(ref _completed) != 0;
        }
    }

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

        return Newest();
    }

    /// <summary>Adds a change.</summary>
    /// <param name="kind">What happened.</param>
    /// <param name="change">The entry after it; the log's from now on.</param>
    /// <param name="living">The claim that must not have ended, for what is no ending.</param>
    public void Append(PortChangeKind kind, EntryFacts change, ClaimView living = default)
    {
        change.Kind = kind;
        while (true)
        {
            long revision = Newest(out EntryFacts? old) + 1;
            if (living.Now().Stage == ClaimStage.Ended)
            {
                return;   // I2: its end is told, or will be
            }

            change.Revision = revision;

            // Publishes the change to readers; fails when another writer had the place (I1). A full
            // fence between the change and the look at the signal: pairs with the CAS of Changed.
            Hook.At(Step.PlaceChange);
            if (ReferenceEquals(Interlocked.CompareExchange(ref Place(revision), change, old), old))
            {
                Hook.At(Step.CountChange);
                Volatile.Write(ref _last, revision);
                Wake();
                return;
            }
        }
    }

    public void Complete()
    {
        // A full fence, as the CAS of a place is: pairs with that of Changed, after which readers look.
        // Either they see that it is complete, or their signal is seen here.
        Interlocked.Exchange(ref _completed, 1);
        Wake();
    }

    /// <summary>Reads what has come after a revision: all there is, which may be nothing, and at
    /// most <see cref="MaxRead"/>.</summary>
    /// <param name="after">The revision.</param>
    /// <param name="makeEntry">Makes the entries.</param>
    /// <param name="changes">The changes.</param>
    /// <returns>False when it cannot be told without a gap (I3): the revision is not kept any more,
    /// or was never one of this run.</returns>
    public bool TryRead(long after, Func<EntryFacts, PortEntry> makeEntry, out ImmutableArray<PortChange> changes)
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
            EntryFacts? change = Volatile.Read(ref Place(++after));
            if (change!.Revision != after)
            {
                return false;   // overtaken while it read
            }

            read.Add(new PortChange(after, change.Kind, makeEntry(change)));
        }

        changes = read.MoveToImmutable();
        return true;
    }

    /// <summary>The newest revision.</summary>
    private long Newest() => Newest(out _);

    /// <summary>The newest revision, and what is in the place of the next one.</summary>
    private long Newest(out EntryFacts? next)
    {
        long last = Volatile.Read(ref _last);
        while (true)
        {
            Hook.At(Step.ReadChange);
            next = Volatile.Read(ref Place(last + 1));
            if (next is null || next.Revision <= last)
            {
                return last;
            }

            last = next.Revision;   // one further, or where the turns that were missed have come to
        }
    }

    private ref EntryFacts? Place(long revision) => ref _ring[revision & (_ring.Length - 1)];

    private void Wake()
    {
        if (Volatile.Read(ref _signal) is not null)
        {
            Hook.At(Step.WakeReaders);
            Interlocked.Exchange(ref _signal, null)?.TrySetResult();
        }
    }
}
