using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Processes;

/// <summary>
/// Counts the descriptors of processes that are held, tells observers when their process ends,
/// within a millisecond or two, and tells passes which processes they need not look at.
/// </summary>
/// <remarks>
/// <code>
///   places[i] ──weak──► observer        one place per descriptor that is held, so that there are never more than a share of what this process may have
///   bell: epoll ──► i ──► places[i] ──► OnProcessExited, once       a thread waits for it
///   book: epoll ──► i ──► notes[i]                                  a pass reads it: one call for all processes
/// </code>
/// <para>
/// The book is one of its own, because what the thread has taken and not yet told of would be
/// missing in it. It tells of a death as long as the descriptor is open, so that two passes at once
/// both see it.
/// </para>
/// <para>
/// A place is taken and given back by CAS. An observer that was collected leaves its place to the
/// next one. One that takes a place while an event of the place's former observer is on its way is
/// told of a death that is not its own, or has a note: it looks at its own process, so that does
/// no harm.
/// </para>
/// <para>
/// One thread of the process waits; it starts with the first process that is watched. Linux only.
/// Progress: lock-free.
/// </para>
/// </remarks>
internal sealed class DeathWatch
{
    private const int EventsAtOnce = 64;

    private readonly WeakReference<IDeathObserver>?[] _places;
    private readonly bool[] _notes;
    private SafeFileHandle? _bell;
    private SafeFileHandle? _book;
    private int _state;
    private int _hint;
    private int _taken;

    /// <param name="places">How many descriptors may be held.</param>
    public DeathWatch(int places)
    {
        _places = new WeakReference<IDeathObserver>?[places];
        _notes = new bool[places];
    }

    /// <summary>That of this process.</summary>
    public static DeathWatch Shared { get; } = new(DescriptorShares.OfProcesses(Posix.DescriptorLimit));

    /// <summary>How many places are taken.</summary>
    public int Count => _places.Count(place => place is not null);

    /// <summary>Whether to try <see cref="TakePlace"/> is worth it; one look, where all are taken
    /// that costs a walk.</summary>
    public bool HasPlace => Volatile.Read(ref _taken) < _places.Length;

    /// <summary>Takes a place for one descriptor; -1 when all are taken.</summary>
    public int TakePlace(IDeathObserver observer)
    {
        WeakReference<IDeathObserver> mine = new(observer);
        int start = Volatile.Read(ref _hint);   // a hint: the CAS decides
        for (int i = 0; i < _places.Length; i++)
        {
            int place = (start + i) % _places.Length;
            WeakReference<IDeathObserver>? seen = Volatile.Read(ref _places[place]);
            if ((seen is null || !seen.TryGetTarget(out _)) && Interlocked.CompareExchange(ref _places[place], mine, seen) == seen)
            {
                Volatile.Write(ref _hint, place + 1);
                Volatile.Write(ref _notes[place], false);   // of who had it before; one that comes after this costs a look
                if (seen is null)
                {
                    Interlocked.Increment(ref _taken);
                }

                return place;
            }
        }

        return -1;
    }

    /// <summary>Gives a place back, if it is still this observer's.</summary>
    public void LeavePlace(int place, IDeathObserver observer)
    {
        if (place >= 0 && Volatile.Read(ref _places[place]) is { } seen && (!seen.TryGetTarget(out IDeathObserver? owner) || ReferenceEquals(owner, observer)))
        {
            if (Interlocked.CompareExchange(ref _places[place], null, seen) == seen)
            {
                Interlocked.Decrement(ref _taken);
            }
        }
    }

    /// <summary>Enters a process into the book. False where that cannot be had: then passes have to
    /// look at it.</summary>
    public bool TryEnter(int place, SafeFileHandle process)
    {
        SafeFileHandle? book = Volatile.Read(ref _book) ?? TryMake(ref _book);
        return book is not null && Posix.TryAwait(book, process, place, once: false);
    }

    /// <summary>Notes who in the book has ended; for a pass, before it asks for notes.</summary>
    /// <returns>Whether anybody has, whose descriptor is still open.</returns>
    public bool ReadBook()
    {
        if (Volatile.Read(ref _book) is not { } book)
        {
            return false;
        }

        // Who has ended stands in it until the descriptor is closed, and comes again after all
        // others: fewer than fit in are all there are.
        Span<int> places = stackalloc int[EventsAtOnce];
        int seen = 0, count = EventsAtOnce;
        while (count == EventsAtOnce && seen < _places.Length && (count = Posix.Look(book, places)) > 0)
        {
            foreach (int place in places[..count])
            {
                Volatile.Write(ref _notes[place], true);
            }

            seen += count;
        }

        return seen != 0;
    }

    /// <summary>Whether the process of a place has ended, as the book told when it was read last;
    /// or the one before it.</summary>
    public bool HasNote(int place) => Volatile.Read(ref _notes[place]);

    /// <summary>
    /// Tells the observer of a place when a process ends; also when it has ended already. False
    /// where that cannot be had.
    /// </summary>
    public bool TryWatch(int place, SafeFileHandle process)
    {
        SafeFileHandle? bell = Volatile.Read(ref _bell) ?? TryMake(ref _bell);
        if (bell is null)
        {
            return false;
        }

        if (Volatile.Read(ref _state) == 0 && Interlocked.Exchange(ref _state, 1) == 0)
        {
            new Thread(Run) { IsBackground = true, Name = "Portmap deaths" }.UnsafeStart();
        }

        return Posix.TryAwait(bell, process, place, once: true);
    }

    private static SafeFileHandle? TryMake(ref SafeFileHandle? waiter)
    {
        SafeFileHandle? made = Posix.MakeWaiter();
        if (made is null)
        {
            return Volatile.Read(ref waiter);
        }

        if (Interlocked.CompareExchange(ref waiter, made, null) is { } other)
        {
            made.Dispose();   // another thread was first
            return other;
        }

        return made;
    }

    private void Run()
    {
        byte[] buffer = Posix.WaitBuffer(EventsAtOnce);
        Span<int> places = stackalloc int[EventsAtOnce];
        int count;
        while ((count = Posix.Wait(_bell!, buffer, places)) >= 0)
        {
            foreach (int place in places[..count])
            {
                if ((uint)place < (uint)_places.Length && Volatile.Read(ref _places[place]) is { } seen && seen.TryGetTarget(out IDeathObserver? observer))
                {
                    observer.OnProcessExited();
                }
            }
        }
    }
}
