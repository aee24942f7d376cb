namespace Portmap.Benchmarks;

/// <summary>Threads that start a piece of work at the same time and are waited for together. They
/// live as long as the benchmark, so that making threads is not measured.</summary>
internal sealed class ThreadTeam : IDisposable
{
    private readonly Barrier _barrier;
    private readonly Action<int> _work;
    private readonly List<Thread> _others = [];
    private volatile bool _stopped;

    /// <summary>Makes a team; the caller of <see cref="Run"/> is its first member.</summary>
    /// <param name="size">How many threads.</param>
    /// <param name="work">What each does, given its number from 0.</param>
    public ThreadTeam(int size, Action<int> work)
    {
        _barrier = new Barrier(size);
        _work = work;
        for (int i = 1; i < size; i++)
        {
            int number = i;
            Thread other = new(() => Serve(number)) { IsBackground = true, Name = $"team {number}" };
            _others.Add(other);
            other.Start();
        }
    }

    public void Run()
    {
        _barrier.SignalAndWait();
        _work(0);
        _barrier.SignalAndWait();
    }

    public void Dispose()
    {
        _stopped = true;
        _barrier.SignalAndWait();
        _others.ForEach(other => other.Join());
        _barrier.Dispose();
    }

    private void Serve(int number)
    {
        while (true)
        {
            _barrier.SignalAndWait();
            if (_stopped)
            {
                return;
            }

            _work(number);
            _barrier.SignalAndWait();
        }
    }
}
