using BenchmarkDotNet.Attributes;
using Portmap.Benchmarks.Baselines;

namespace Portmap.Benchmarks;

/// <summary>Acquire a port and give it back, on one thread and on two at once. The time is wall clock by pairs of calls of all threads
/// together: a table that scaled perfectly would halve it on two threads.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class AcquireReleaseBenchmark
{
    private const int PairsPerInvoke = 32_768;

    private PortRegistry _registry = null!;
    private LockBaseline _baseline = null!;
    private ThreadTeam _registryTeam = null!;
    private ThreadTeam _baselineTeam = null!;

    [Params(1, 2)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        PortRange ports = new(49_152, 65_535);
        _baseline = new LockBaseline(ports.First, ports.Last, reuseDelay: TimeSpan.Zero);
        _registry = new PortRegistry(new PortRegistryOptions
        {
            Ports = ports.ToString(),
            Strategy = "AllocatorPicks",
            ReuseDelay = TimeSpan.Zero,

            // The operating system is not part of what is compared.
            Probe = false,
        });
        _registryTeam = new ThreadTeam(Threads, number => UseRegistry(new PortRequest($"vol0:/bricks/b{number}")));
        _baselineTeam = new ThreadTeam(Threads, number => UseBaseline($"vol0:/bricks/b{number}"));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _registryTeam.Dispose();
        _baselineTeam.Dispose();
        _registry.Dispose();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = PairsPerInvoke)]
    public void LockBitArrayDictionary() => _baselineTeam.Run();

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void Registry() => _registryTeam.Run();

    private void UseBaseline(string owner)
    {
        for (int i = 0; i < PairsPerInvoke / Threads; i++)
        {
            if (!_baseline.TryAcquire(owner, out LockBaseline.Claim? claim) || !_baseline.TryRelease(claim))
            {
                throw new InvalidOperationException("The baseline refused.");
            }
        }
    }

    private void UseRegistry(PortRequest request)
    {
        for (int i = 0; i < PairsPerInvoke / Threads; i++)
        {
            if (!_registry.TryAcquire(request, out PortLease? lease, out PortRefusal? refusal) || !lease.TryRelease(out refusal))
            {
                throw new InvalidOperationException(refusal?.ToString());
            }
        }
    }
}
