using System.Diagnostics;

namespace Portmap.Benchmarks;

/// <summary>How long single pairs of acquire and release take while more threads than processors
/// run, by percentile. A mean hides what a suspended thread that holds a lock does to the
/// others.</summary>
internal sealed class LatencyRun : IDisposable
{
    private const int Threads = 8;

    private readonly PortRegistry _registry = Books.Registry();
    private readonly Baselines.IPortBook _lock = Books.Lock();
    private readonly ThreadTeam _registryTeam;
    private readonly ThreadTeam _lockTeam;
    private readonly LatencyHistogram[] _histograms = [.. Enumerable.Range(0, Threads).Select(_ => new LatencyHistogram())];
    private long _end;

    public LatencyRun()
    {
        _registryTeam = new ThreadTeam(Threads, number =>
        {
            PortRequest request = new($"vol0:/bricks/b{number}");
            Record(number, () => Books.Churn(_registry, request, 1));
        });
        _lockTeam = new ThreadTeam(Threads, number =>
        {
            string owner = $"vol0:/bricks/b{number}";
            Record(number, () => Books.Churn(_lock, owner, 1));
        });
    }

    public LatencyHistogram Registry(int milliseconds) => Run(_registryTeam, milliseconds);

    public LatencyHistogram Lock(int milliseconds) => Run(_lockTeam, milliseconds);

    public void Dispose()
    {
        _registryTeam.Dispose();
        _lockTeam.Dispose();
        _registry.Dispose();
    }

    private LatencyHistogram Run(ThreadTeam team, int milliseconds)
    {
        Array.ForEach(_histograms, histogram => histogram.Clear());
        Volatile.Write(ref _end, Stopwatch.GetTimestamp() + (milliseconds * Stopwatch.Frequency / 1_000));
        team.Run();
        LatencyHistogram all = new();
        Array.ForEach(_histograms, all.Add);
        return all;
    }

    private void Record(int number, Action pair)
    {
        long end = Volatile.Read(ref _end), start = Stopwatch.GetTimestamp();
        while (start < end)
        {
            pair();
            long now = Stopwatch.GetTimestamp();
            _histograms[number].Count(now - start);
            start = now;
        }
    }
}
