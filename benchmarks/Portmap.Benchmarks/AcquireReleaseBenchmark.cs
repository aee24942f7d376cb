using BenchmarkDotNet.Attributes;
using Portmap.Benchmarks.Baselines;

namespace Portmap.Benchmarks;

/// <summary>Acquire a port and give it back, by one owner for each thread. The time is wall clock
/// by pairs of calls of all threads together: a table that scaled perfectly would halve it on two
/// threads.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class AcquireReleaseBenchmark
{
    public const int PairsPerInvoke = 32_768;

    private readonly List<ThreadTeam> _teams = [];
    private PortRegistry _registry = null!;
    private ThreadTeam _registryTeam = null!;
    private ThreadTeam _lockTeam = null!;
    private ThreadTeam _fairTeam = null!;
    private ThreadTeam _concurrentTeam = null!;
    private ThreadTeam _linearTeam = null!;
    private ThreadTeam _randomTeam = null!;

    [Params(1, 2, 4, 8)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _registry = Books.Registry();
        _registryTeam = Team(number => Books.Churn(_registry, new PortRequest(OwnerOf(number)), PairsPerInvoke / Threads));
        _lockTeam = TeamOf(Books.Lock());
        _fairTeam = TeamOf(Books.Fair());
        _concurrentTeam = TeamOf(Books.Concurrent());
        _linearTeam = TeamOf(Books.Linear());
        _randomTeam = TeamOf(Books.Random());
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _teams.ForEach(team => team.Dispose());
        _teams.Clear();
        _registry.Dispose();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = PairsPerInvoke)]
    public void LockBitArrayDictionary() => _lockTeam.Run();

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void FairLock() => _fairTeam.Run();

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void ConcurrentDictionary() => _concurrentTeam.Run();

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void LinearListAsGlusterd() => _linearTeam.Run();

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void RandomProbesAsNomad() => _randomTeam.Run();

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void Registry() => _registryTeam.Run();

    private static string OwnerOf(int number) => $"vol0:/bricks/b{number}";

    private ThreadTeam TeamOf(IPortBook book) => Team(number => Books.Churn(book, OwnerOf(number), PairsPerInvoke / Threads));

    private ThreadTeam Team(Action<int> work)
    {
        ThreadTeam team = new(Threads, work);
        _teams.Add(team);
        return team;
    }
}
