using System.Collections.Concurrent;
using BenchmarkDotNet.Attributes;
using Portmap.Benchmarks.Baselines;

namespace Portmap.Benchmarks;

/// <summary>From an owner to its port, in random order, which is what a daemon's clients
/// do.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class LookupBenchmark
{
    public const int LookupsPerInvoke = 1_024, LinearLookupsPerInvoke = 16;

    private readonly ConcurrentDictionary<string, int> _concurrentDictionary = new();
    private readonly Dictionary<string, int> _dictionary = [];
    private readonly Lock _gate = new();
    private readonly LinearBook _linear = new(1_024, 65_535, TimeSpan.Zero);
    private PortRegistry _registry = null!;
    private string[] _draws = [];
    private int _at;

    [Params(1, 100, 1_000, 10_000, 60_000)]
    public int Owners { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        string[] owners = OwnerNames.Make(Owners);
        _draws = OwnerNames.Draw(owners);
        _registry = new PortRegistry(new PortRegistryOptions { Probe = false, LivenessInterval = TimeSpan.FromHours(1) });
        PortSession session = _registry.OpenSession(Environment.ProcessId);
        for (int i = 0; i < owners.Length; i++)
        {
            int port = 1_024 + i;
            _concurrentDictionary[owners[i]] = port;
            _dictionary[owners[i]] = port;
            _linear.Add(owners[i]);
            if (!session.TryRegister(new PortClaimRequest(owners[i], port), out _, out PortRefusal? refusal))
            {
                throw new InvalidOperationException(refusal.ToString());
            }
        }

        // Both as they lie in a process that has run for a while: what died while they were filled
        // is gone from between.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
    }

    [GlobalCleanup]
    public void Cleanup() => _registry.Dispose();

    [Benchmark(Baseline = true, OperationsPerInvoke = LookupsPerInvoke)]
    public int ConcurrentDictionary()
    {
        int sum = 0;
        foreach (string owner in Next())
        {
            sum += _concurrentDictionary.TryGetValue(owner, out int port) ? port : throw Missing(owner);
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = LookupsPerInvoke)]
    public int LockAndDictionary()
    {
        int sum = 0;
        foreach (string owner in Next())
        {
            lock (_gate)
            {
                sum += _dictionary.TryGetValue(owner, out int port) ? port : throw Missing(owner);
            }
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = LookupsPerInvoke)]
    public int Registry()
    {
        int sum = 0;
        foreach (string owner in Next())
        {
            sum += _registry.TryGetPort(owner, out int port) ? port : throw Missing(owner);
        }

        return sum;
    }

    [Benchmark(OperationsPerInvoke = LookupsPerInvoke)]
    public int RegistryBySpan()
    {
        int sum = 0;
        foreach (string owner in Next())
        {
            sum += _registry.TryGetPort(owner.AsSpan(), out int port) ? port : throw Missing(owner);
        }

        return sum;
    }

    /// <summary>Compares names from the first port on.</summary>
    [Benchmark(OperationsPerInvoke = LinearLookupsPerInvoke)]
    public int LinearListAsGlusterd()
    {
        int sum = 0;
        foreach (string owner in Next()[..LinearLookupsPerInvoke])
        {
            sum += _linear.PortOf(owner) is > 0 and int port ? port : throw Missing(owner);
        }

        return sum;
    }

    private static InvalidOperationException Missing(string owner) => new($"{owner} was not found.");

    private ReadOnlySpan<string> Next()
    {
        _at = (_at + LookupsPerInvoke) & (OwnerNames.Draws - 1);
        return _draws.AsSpan(_at, LookupsPerInvoke);
    }
}
