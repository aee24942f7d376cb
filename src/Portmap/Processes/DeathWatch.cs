using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Processes;

/// <summary>
/// Counts the descriptors of processes that are held, and tells observers when their process ends,
/// within a millisecond or two.
/// </summary>
/// <remarks>
/// <code>
///   places[i] ──weak──► observer        one place per descriptor that is held, so that there are never more than a share of what this process may have
///   epoll ──► i ──► places[i] ──► OnProcessExited, once
/// </code>
/// <para>
/// A place is taken and given back by CAS. An observer that was collected leaves its place to the
/// next one. One that takes a place while an event of the place's former observer is on its way is
/// told of a death that is not its own: it looks at its own process, so that does no harm.
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
    private SafeFileHandle? _waiter;
    private int _state;
    private int _hint;

    /// <param name="places">How many descriptors may be held.</param>
    public DeathWatch(int places) => _places = new WeakReference<IDeathObserver>?[places];

    /// <summary>That of this process.</summary>
    public static DeathWatch Shared { get; } = new(DescriptorShares.OfProcesses(Posix.DescriptorLimit));

    /// <summary>How many places are taken.</summary>
    public int Count => _places.Count(place => place is not null);

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
            Interlocked.CompareExchange(ref _places[place], null, seen);
        }
    }

    /// <summary>
    /// Tells the observer of a place when a process ends; also when it has ended already. False
    /// where that cannot be had.
    /// </summary>
    public bool TryWatch(int place, SafeFileHandle process)
    {
        if (Volatile.Read(ref _waiter) is null && !TryStart())
        {
            return false;
        }

        return Posix.TryAwait(Volatile.Read(ref _waiter)!, process, place);
    }

    private bool TryStart()
    {
        SafeFileHandle? made = Posix.MakeWaiter();
        if (made is null)
        {
            return Volatile.Read(ref _waiter) is not null;
        }

        if (Interlocked.CompareExchange(ref _waiter, made, null) is not null)
        {
            made.Dispose();   // another thread was first
            return true;
        }

        if (Interlocked.Exchange(ref _state, 1) == 0)
        {
            new Thread(Run) { IsBackground = true, Name = "Portmap deaths" }.UnsafeStart();
        }

        return true;
    }

    private void Run()
    {
        byte[] buffer = Posix.WaitBuffer(EventsAtOnce);
        Span<int> places = stackalloc int[EventsAtOnce];
        int count;
        while ((count = Posix.Wait(_waiter!, buffer, places)) >= 0)
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
