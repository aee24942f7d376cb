using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Processes;

/// <summary>
/// A process that somebody has an eye on: its identity, and where the kernel gives one, a
/// descriptor that is its own for ever (pidfd_open(2)).
/// </summary>
/// <remarks>
/// <para>
/// With the descriptor there is no doubt: it says whether the last thread has ended, whatever /proc
/// shows, and another process that is given the same number, in the same clock tick even, is not
/// taken for this one. Without one (Linux before 5.3, a filter on system calls, more processes than
/// <see cref="DeathWatch"/> has places) the identity is all there is. So it is at first for a
/// process read from the store, which the first pass gets a descriptor of. And of one that was
/// opened while this process had no descriptor left there is only the number, until a pass gets
/// both.
/// </para>
/// <para>Immutable but for its end; any thread may use it.</para>
/// </remarks>
internal sealed class WatchedProcess : IDisposable
{
    private readonly SafeFileHandle? _descriptor;
    private readonly IDeathObserver? _observer;
    private readonly int _place;
    private readonly SimulatedHost? _host;
    private readonly bool _isInBook;
    private int _hasExited;

    private WatchedProcess(ProcessIdentity identity, SafeFileHandle? descriptor, int place, IDeathObserver? observer, SimulatedHost? host = null)
    {
        _host = host;
        Identity = identity;
        _descriptor = descriptor;
        _place = place;
        _observer = observer;
        _isInBook = place >= 0 && DeathWatch.Shared.TryEnter(place, descriptor!);
    }

    public ProcessIdentity Identity { get; }

    /// <summary>Whether its death can be seen at all, be it by its number alone.</summary>
    public bool CanBeSeen => Identity.IsKnown || _descriptor is not null || IsNumber;

    /// <summary>It was there when it was opened, under a number of our own namespace.</summary>
    private bool IsNumber => _observer is not null;

    /// <summary>Whether its descriptor is open.</summary>
    public bool IsHeld => _descriptor is { IsClosed: false };

    /// <summary>It has ended, says its descriptor; false also where there is none.</summary>
    private bool HasExited
    {
        get
        {
            if (IsHeld && Volatile.Read(ref _hasExited) == 0)
            {
                try
                {
                    if (Posix.HasExited(_descriptor!))
                    {
                        Volatile.Write(ref _hasExited, 1);   // it stays so
                    }
                }
                catch (ObjectDisposedException)
                {
                    // Whoever watched it is done with it.
                }
            }

            return Volatile.Read(ref _hasExited) != 0;
        }
    }

    /// <summary>Looks at a process and holds on to it, as well as that can be done.</summary>
    /// <param name="processId">Its id; 0 when nobody knows it.</param>
    /// <param name="observer">
    /// For whom it is; one with an observer counts among the descriptors of processes, and is not
    /// held when there are too many.
    /// </param>
    /// <param name="isDead">There is no such process.</param>
    /// <param name="host">The host it is of, when that is made up.</param>
    public static WatchedProcess Open(int processId, IDeathObserver? observer, out bool isDead, SimulatedHost? host = null)
    {
        isDead = false;
        if (host is not null)
        {
            return new WatchedProcess(ProcessIdentity.Of(processId, host, out isDead), null, -1, null, host);
        }

        if (processId == Environment.ProcessId)
        {
            return new WatchedProcess(ProcessIdentity.Own, null, -1, null);   // we ourselves live as long as this is asked
        }

        if (processId <= 0 || !OperatingSystem.IsLinux() || !ProcessIdentity.IsProcOurs)
        {
            return new WatchedProcess(ProcessIdentity.Of(processId, out isDead), null, -1, null);
        }

        int place = observer is null ? -1 : DeathWatch.Shared.TakePlace(observer);
        SafeFileHandle? descriptor = observer is null || place >= 0 ? Posix.OpenProcess(processId, out isDead) : null;
        if (descriptor is null && observer is not null)
        {
            DeathWatch.Shared.LeavePlace(place, observer);
            place = -1;
        }

        // After the descriptor was opened: as long as that one lives, the number is nobody else's.
        ProcessIdentity identity = ProcessIdentity.Of(processId, out bool isGone);
        WatchedProcess process = new(identity, descriptor, place, observer);
        isDead |= isGone || process.HasExited;
        return process;
    }

    /// <summary>One that is known by its identity alone, from the store.</summary>
    public static WatchedProcess Of(ProcessIdentity identity, SimulatedHost? host) => new(identity, null, -1, null, host);

    /// <summary>The same process with a descriptor, for one that has none.</summary>
    /// <param name="observer">For whom it is.</param>
    /// <returns>Null where it cannot be had, or the process has ended.</returns>
    public WatchedProcess? TryHold(IDeathObserver observer)
    {
        if (_host is not null || _descriptor is not null || !CanBeSeen || Identity.Id == Environment.ProcessId
            || !OperatingSystem.IsLinux() || !ProcessIdentity.IsProcOurs || !DeathWatch.Shared.HasPlace)
        {
            return null;
        }

        int place = DeathWatch.Shared.TakePlace(observer);
        SafeFileHandle? descriptor = place >= 0 ? Posix.OpenProcess(Identity.Id, out _) : null;
        if (descriptor is null)
        {
            DeathWatch.Shared.LeavePlace(place, observer);
            return null;
        }

        // After the descriptor was opened, as in Open: whose it is does not change any more.
        ProcessIdentity identity = Identity.IsKnown ? Identity : ProcessIdentity.Of(Identity.Id, out _);
        WatchedProcess held = new(identity, descriptor, place, observer);
        if (identity.IsAlive() && !held.HasExited)
        {
            return held;
        }

        held.Dispose();
        return null;
    }

    /// <summary>
    /// Has the observer told when it ends; where that cannot be had, passes will see it. Nothing once
    /// it is disposed: another thread may end the session that asks.
    /// </summary>
    public void TellWhenItEnds()
    {
        if (_place >= 0)
        {
            try
            {
                DeathWatch.Shared.TryWatch(_place, _descriptor!);
            }
            catch (ObjectDisposedException)
            {
                // Whoever watched it is done with it.
            }
        }
    }

    /// <summary>
    /// Whether it lives, as far as anybody can tell: one nothing is known about is believed to.
    /// </summary>
    public bool IsAlive() => IsHeld ? !HasExited : Volatile.Read(ref _hasExited) == 0 && Identity.IsAlive(_host);

    /// <summary>
    /// Whether a pass, which has read the book of the watch, has to look at it to know that it
    /// lives. One that nobody knows is believed to.
    /// </summary>
    public bool NeedsLook => CanBeSeen && (!_isInBook || !IsHeld || DeathWatch.Shared.HasNote(_place));

    /// <summary>Whether the book says that it has ended, or whoever had its place before.</summary>
    public bool HasNote => _isInBook && IsHeld && DeathWatch.Shared.HasNote(_place);

    /// <summary>Whether another one is the same process.</summary>
    /// <remarks>
    /// One that has ended is nobody's: its number and even its start time may be another's now. Of
    /// two descriptors that are open the number is enough: the start may not have been to be read.
    /// </remarks>
    public bool IsSame(WatchedProcess other) =>
        ReferenceEquals(this, other)
        || (Identity.Id == other.Identity.Id
            && ((IsHeld && other.IsHeld) || (Identity.IsKnown && Identity.StartTime == other.Identity.StartTime)) && !HasExited && !other.HasExited);

    public void Dispose()
    {
        _ = HasExited;   // what is known now stays known
        _descriptor?.Dispose();
        if (_observer is not null)
        {
            DeathWatch.Shared.LeavePlace(_place, _observer);
        }
    }
}
