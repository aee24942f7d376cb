using Portmap.Table;
using Portmap.TestKit.Processes;

namespace Portmap.Interleaving.Tests.Scheduling;

/// <summary>A few threads of which one runs at a time; at each internal step of the registry the
/// schedule says which. The same schedule gives the same run.</summary>
/// <remarks>Each that does not run is suspended for real: it waits between two steps of the
/// registry until it is called again.</remarks>
internal sealed class Puppets : IDisposable
{
    /// <summary>No run of a few operations needs so many steps, also where each pass over an index
    /// that has grown makes 8,192: whoever makes them waits for a thread that is suspended.</summary>
    private const int MaxSteps = 2_000_000;

    // Not the slim ones: they spin before they wait, and the thread they wait for is on the same
    // processor.
    private readonly AutoResetEvent[] _turns;
    private readonly AutoResetEvent _over = new(false);
    private readonly Thread[] _threads;
    private readonly bool[] _isDone;
    private IReadOnlyList<Action> _acts = [];
    private Schedule _schedule = Schedule.OneAfterTheOther;
    private readonly List<int> _ranAt = [];
    private Action<Step, int>? _watcher;
    private int _left;
    private int _nextSwitch;
    private int _wanted = -1;
    private int _running;
    private Exception? _failure;
    private bool _disposed;

    /// <param name="count">How many threads.</param>
    /// <param name="takeTurns">Whether they only ever take turns; then one processor is enough for
    /// them.</param>
    public Puppets(int count, bool takeTurns = true)
    {
        int processor = Processor.Next();
        _turns = [.. Enumerable.Range(0, count).Select(_ => new AutoResetEvent(false))];
        _isDone = new bool[count];
        _threads = [.. Enumerable.Range(0, count).Select(i => new Thread(() => Loop(i, takeTurns ? processor : -1)) { IsBackground = true, Name = $"puppet {i}" })];
        foreach (Thread thread in _threads)
        {
            thread.Start();
        }
    }

    /// <summary>Which thread was about to make each step of the last run.</summary>
    public IReadOnlyList<int> RanAt => _ranAt;

    /// <summary>Runs some acts, one per thread, to their end.</summary>
    /// <param name="acts">At most as many as there are threads.</param>
    /// <param name="schedule">Who runs when.</param>
    /// <param name="watcher">Called at each step, while everybody stands still, by the thread that
    /// is about to make it.</param>
    /// <exception cref="InvalidOperationException">An act failed, or waits for a thread that is
    /// suspended.</exception>
    public void Run(IReadOnlyList<Action> acts, Schedule schedule, Action<Step, int>? watcher = null)
    {
        (_acts, _schedule, _watcher) = (acts, schedule, watcher);
        (_nextSwitch, _failure, _running, _left) = (0, null, 0, 0);
        _ranAt.Clear();
        Array.Fill(_isDone, false);
        Array.Fill(_isDone, true, acts.Count, _isDone.Length - acts.Count);
        if (schedule.Switches is [(0, int first), ..])
        {
            _nextSwitch++;
            _running = first;
        }

        _turns[_running].Set();
        if (!_over.WaitOne(Deadline.Default))
        {
            throw new InvalidOperationException($"Thread {_running} waits outside the steps after step {_ranAt.Count} of schedule '{schedule}'.");
        }

        if (_failure is not null)
        {
            throw new InvalidOperationException($"Schedule '{schedule}' failed after {_ranAt.Count} steps: {_failure.Message}", _failure);
        }
    }

    /// <summary>Plays each schedule of two threads with at most so many forced switches, those with
    /// the fewest first.</summary>
    /// <param name="switches">How many switches at most.</param>
    /// <param name="play">Plays one, by one call of <see cref="Run"/>.</param>
    public void PlayAll(int switches, Action<Schedule> play)
    {
        int runs = 0;
        List<Schedule> level = [Schedule.OneAfterTheOther];
        for (int depth = 0; depth <= switches; depth++)
        {
            List<Schedule> next = [];
            foreach (Schedule schedule in level)
            {
                play(schedule);
                runs++;
                next.AddRange(schedule.WithOneMore(2, RanAt));
            }

            level = next;
        }

        runs.Should().BeGreaterThan(20, "otherwise the steps are not seen");
    }

    /// <summary>Called by the watcher: another thread goes on here, whatever the schedule
    /// says.</summary>
    public void SwitchTo(int thread) => _wanted = thread;

    /// <summary>Runs some acts at once, as the machine likes.</summary>
    public void RunFree(IReadOnlyList<Action> acts)
    {
        (_acts, _failure, _left) = (acts, null, acts.Count);
        for (int i = 0; i < acts.Count; i++)
        {
            _turns[i].Set();
        }

        if (!_over.WaitOne(Deadline.Default) || _failure is not null)
        {
            throw new InvalidOperationException($"Threads that ran freely did not finish: {_failure?.Message}", _failure);
        }
    }

    public void Dispose()
    {
        _disposed = true;
        foreach (AutoResetEvent turn in _turns)
        {
            turn.Set();
        }

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }

        Array.ForEach(_turns, turn => turn.Dispose());
        _over.Dispose();
    }

    private void Loop(int me, int processor)
    {
        if (processor >= 0)
        {
            Processor.Keep(processor);
        }

        Action<Step> reached = step => OnStep(me, step);
        while (true)
        {
            _turns[me].WaitOne();
            if (_disposed)
            {
                return;
            }

            Hook.Reached = Volatile.Read(ref _left) > 0 ? null : reached;
            try
            {
                _acts[me]();
            }
#pragma warning disable CA1031 // whatever it is, the run reports it
            catch (Exception exception)
#pragma warning restore CA1031
            {
                _failure ??= exception;
            }

            Hook.Reached = null;
            if (Volatile.Read(ref _left) > 0)
            {
                if (Interlocked.Decrement(ref _left) == 0)
                {
                    _over.Set();
                }

                continue;
            }

            _isDone[me] = true;
            int next = NextAfter(me);
            if (next < 0)
            {
                _over.Set();
            }
            else
            {
                _running = next;
                _turns[next].Set();
            }
        }
    }

    private void OnStep(int me, Step step)
    {
        _ranAt.Add(me);
        if (_failure is not null || _ranAt.Count > MaxSteps)
        {
            throw _failure ??= new InvalidOperationException($"thread {me} waits for a suspended one at {step}");
        }

        if (_watcher is not null)
        {
            Action<Step>? reached = Hook.Reached;
            Hook.Reached = null;   // what the watcher looks at is no step of the run
            _watcher(step, me);
            Hook.Reached = reached;
        }

        if (_nextSwitch < _schedule.Switches.Count && _schedule.Switches[_nextSwitch].Step == _ranAt.Count)
        {
            _wanted = _schedule.Switches[_nextSwitch++].Thread;
        }

        (int next, _wanted) = (_wanted, -1);
        if (next >= 0 && next != me && !_isDone[next])
        {
            _running = next;
            _turns[next].Set();
            _turns[me].WaitOne();
        }
    }

    private int NextAfter(int me)
    {
        for (int i = 1; i <= _acts.Count; i++)
        {
            if (!_isDone[(me + i) % _acts.Count])
            {
                return (me + i) % _acts.Count;
            }
        }

        return -1;
    }
}
