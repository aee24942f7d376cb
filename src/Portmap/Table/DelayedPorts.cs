using System.Runtime.CompilerServices;

namespace Portmap.Table;

/// <summary>Ports that wait for a fixed time, approximately oldest first: those that cool, and
/// those of strangers.</summary>
/// <remarks>
/// <code>
///   generations of delay/8:   … │ k-1 │ k │ k+1 │ …      generation of a time t = t / slice;  16 bitmaps take turns
///                               ▲ drained up to here      due when its last moment is older than the delay
/// </code>
/// A hint like <see cref="FreePorts"/>: the slot says when its claim ended, and who finds a port
/// here too early puts it back.
/// <list type="bullet">
/// <item>I1. A generation is drained by whoever moves <c>_drained</c> past it, so each is drained
/// once a turn.</item>
/// <item>I2. A port added late to a generation that was drained already is met one turn later at
/// the latest; it is late, never lost.</item>
/// </list>
/// Progress: Add is wait-free, DrainDue and TryTakeOldest are lock-free.
/// </remarks>
internal sealed class DelayedPorts
{
    /// <summary>In how many places a port may stand at once: one that was taken and given back
    /// again leaves its mark in each.</summary>
    public const int Generations = 16;

    private const int PerDelay = 8;

    private readonly FreePorts?[] _generations = new FreePorts?[Generations];
    private readonly PortRange _range;
    private readonly long _sliceMs;
    private long _drained = -1;

    public DelayedPorts(PortRange range, TimeSpan delay)
    {
        _range = range;
        DelayMs = (long)delay.TotalMilliseconds;
        _sliceMs = Math.Max(1, DelayMs / PerDelay);
    }

    public long DelayMs { get; }

    public void Add(int port, long now) => Generation(now / _sliceMs).Add(port);

    /// <summary>Hands every port whose time is over to an action.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]   // asked at each acquisition
    public void DrainDue(long now, Action<int> action)
    {
        if (IsDue(now, Volatile.Read(ref _drained)))
        {
            DrainAllDue(now, action);
        }
    }

    /// <summary>Whether a generation is due; no division where none is, and nothing ever waits
    /// without a delay.</summary>
    private bool IsDue(long now, long drained) => DelayMs != 0 && now - DelayMs >= (drained + 2) * _sliceMs;

    private void DrainAllDue(long now, Action<int> action)
    {
        while (true)
        {
            long drained = Volatile.Read(ref _drained);
            if (!IsDue(now, drained))
            {
                return;
            }

            long due = ((now - DelayMs) / _sliceMs) - 1;

            // After a long pause one turn of the wheel covers everything: skip what would be
            // drained twice.
            long next = Math.Max(drained + 1, due - Generations + 1);
            Hook.At(Step.PassGeneration);
            if (Interlocked.CompareExchange(ref _drained, next, drained) == drained)
            {
                Volatile.Read(ref _generations[next % Generations])?.Drain(action);
            }
        }
    }

    /// <summary>Hands the ports whose own time is over to an action, from generations that are not
    /// due as a whole; true when there was one.</summary>
    public bool DrainOver(long now, Func<int, bool> isOver, Action<int> action)
    {
        bool any = false;
        for (long generation = Math.Max(Volatile.Read(ref _drained) + 1, (now / _sliceMs) + 1 - Generations); (generation * _sliceMs) + DelayMs <= now; generation++)
        {
            FreePorts? ports = Volatile.Read(ref _generations[((generation % Generations) + Generations) % Generations]);
            for (int port = ports?.Find(_range.First, _range.Last) ?? 0; port != 0; port = ports!.Find(port + 1, _range.Last))
            {
                if (isOver(port) && ports!.TryTake(port))
                {
                    action(port);
                    any = true;
                }
            }
        }

        return any;
    }

    /// <summary>Takes the one of some ports that waits approximately longest, or 0.</summary>
    public int TryTakeOldest(PortPool pool, long now)
    {
        // The current generation last; a port that was put in late stands in an older place and
        // comes earlier, which does no harm.
        long current = now / _sliceMs;
        for (long generation = current + 1 - Generations; generation <= current; generation++)
        {
            FreePorts? ports = Volatile.Read(ref _generations[((generation % Generations) + Generations) % Generations]);
            for (int i = 0; ports is not null && i < pool.Ranges.Length; i++)
            {
                while (ports.Find(pool.Ranges[i].First, pool.Ranges[i].Last) is > 0 and int port)
                {
                    if (ports.TryTake(port))
                    {
                        return port;
                    }
                }
            }
        }

        return 0;
    }

    /// <summary>Whether any port waits; exact when nothing else runs.</summary>
    public bool HasAny
    {
        get
        {
            foreach (ref FreePorts? generation in _generations.AsSpan())
            {
                if (Volatile.Read(ref generation) is { HasAny: true })
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>See <see cref="FreePorts.Window"/>.</summary>
    public ulong Window(int from)
    {
        ulong window = 0;
        for (int i = 0; i < Generations; i++)
        {
            window |= Volatile.Read(ref _generations[i])?.Window(from) ?? 0;
        }

        return window;
    }

    private FreePorts Generation(long generation)
    {
        ref FreePorts? place = ref _generations[((generation % Generations) + Generations) % Generations];   // one before the count began is as good as any
        FreePorts? ports = Volatile.Read(ref place);
        if (ports is null)
        {
            ports = new FreePorts(_range);
            Hook.At(Step.MakeGeneration);
            ports = Interlocked.CompareExchange(ref place, ports, null) ?? ports;   // publishes the bitmap; the first one stays
        }

        return ports;
    }
}
