using BenchmarkDotNet.Attributes;
using Portmap.Benchmarks.Baselines;

namespace Portmap.Benchmarks;

/// <summary>Acquire a port and give it back while others hold most of the range.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class FullnessBenchmark
{
    public const int PairsPerInvoke = 1_024;

    private readonly PortRequest _request = new("vol0:/bricks/one");
    private readonly List<PortLease> _leases = [];
    private PortRegistry _registry = null!;
    private IPortBook _lock = null!;
    private IPortBook _random = null!;

    /// <summary>How many of the 16,384 ports are free.</summary>
    [Params(16_384, 8_192, 1_638, 164, 16, 1)]
    public int Free { get; set; }

    internal PortRegistry Ours => _registry;

    [GlobalSetup]
    public void Setup()
    {
        _registry = Books.Registry();
        (_lock, _random) = (Books.Lock(), Books.Random());
        _leases.Clear();
        List<BookClaim>[] claims = [[], []];
        IPortBook[] books = [_lock, _random];
        foreach (string owner in OwnerNames.Make(Books.Ports.Count))
        {
            _leases.Add(Books.Acquire(_registry, owner));
            for (int i = 0; i < books.Length; i++)
            {
                books[i].TryAcquire(owner, out BookClaim? claim);
                claims[i].Add(claim!);
            }
        }

        // The same ports come free in all of them, far from each other.
        int[] freed = [.. Enumerable.Range(0, Free).Select(i => (int)((i + 0.5) * Books.Ports.Count / Free))];
        foreach (int index in freed)
        {
            _leases[index].TryRelease(out _);
            for (int i = 0; i < books.Length; i++)
            {
                books[i].TryRelease(claims[i][index]);
            }
        }
    }

    /// <summary>Frees each port in turn, as the only one, and takes it: none is beyond
    /// reach.</summary>
    internal void AssertEveryPortIsFound()
    {
        Dictionary<int, PortLease> held = [];
        foreach (PortLease lease in _leases)
        {
            held[lease.Port] = lease;
        }

        PortLease free = Books.Acquire(_registry, _request);   // the one that was left
        for (int port = Books.Ports.First; port <= Books.Ports.Last; port++)
        {
            PortLease lease = port == free.Port ? free : held[port];
            lease.TryRelease(out _);
            PortLease found = Books.Acquire(_registry, lease.Owner);
            free = lease == free ? found : free;
            if (found.Port != port)
            {
                throw new InvalidOperationException($"{port} was the only free port and {found.Port} was given.");
            }
        }

        free.TryRelease(out _);
    }

    [GlobalCleanup]
    public void Cleanup() => _registry.Dispose();

    [Benchmark(Baseline = true, OperationsPerInvoke = PairsPerInvoke)]
    public void LockBitArrayDictionary() => Books.Churn(_lock, _request.Owner, PairsPerInvoke);

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void RandomProbesAsNomad() => Books.Churn(_random, _request.Owner, PairsPerInvoke);

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void Registry() => Books.Churn(_registry, _request, PairsPerInvoke);
}
