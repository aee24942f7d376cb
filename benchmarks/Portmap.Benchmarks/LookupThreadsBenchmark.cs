using System.Collections.Concurrent;
using BenchmarkDotNet.Attributes;

namespace Portmap.Benchmarks;

/// <summary>Lookups by owner on several threads at once, wall clock by lookups of all threads
/// together: perfect scaling would halve it on two threads.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class LookupThreadsBenchmark
{
    public const int LookupsPerInvoke = 32_768;

    private const int Owners = 10_000;

    private readonly ConcurrentDictionary<string, int> _concurrentDictionary = new();
    private string[] _draws = [];
    private PortRegistry _registry = null!;
    private ThreadTeam _registryTeam = null!;
    private ThreadTeam _concurrentTeam = null!;
    private long _sum;

    [Params(1, 2)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        string[] owners = OwnerNames.Make(Owners);
        _draws = OwnerNames.Draw(owners);
        _registry = Books.Registry();
        PortSession session = _registry.OpenSession(Environment.ProcessId);
        for (int i = 0; i < owners.Length; i++)
        {
            _concurrentDictionary[owners[i]] = Books.Ports.First + i;
            if (!session.TryRegister(new PortClaimRequest(owners[i], Books.Ports.First + i), out _, out PortRefusal? refusal))
            {
                throw new InvalidOperationException(refusal.ToString());
            }
        }

        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
        _registryTeam = new ThreadTeam(Threads, LookUpRegistry);
        _concurrentTeam = new ThreadTeam(Threads, LookUpDictionary);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _registryTeam.Dispose();
        _concurrentTeam.Dispose();
        _registry.Dispose();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = LookupsPerInvoke)]
    public void ConcurrentDictionary() => _concurrentTeam.Run();

    [Benchmark(OperationsPerInvoke = LookupsPerInvoke)]
    public void Registry() => _registryTeam.Run();

    private void LookUpRegistry(int number)
    {
        long sum = 0;
        foreach (string owner in ShareOf(number))
        {
            sum += _registry.TryGetPort(owner, out int port) ? port : throw new InvalidOperationException($"{owner} was not found.");
        }

        Interlocked.Add(ref _sum, sum);
    }

    private void LookUpDictionary(int number)
    {
        long sum = 0;
        foreach (string owner in ShareOf(number))
        {
            sum += _concurrentDictionary.TryGetValue(owner, out int port) ? port : throw new InvalidOperationException($"{owner} was not found.");
        }

        Interlocked.Add(ref _sum, sum);
    }

    private ReadOnlySpan<string> ShareOf(int number) => _draws.AsSpan(LookupsPerInvoke / Threads * number, LookupsPerInvoke / Threads);
}
