using BenchmarkDotNet.Attributes;
using Portmap.Benchmarks.Baselines;

namespace Portmap.Benchmarks;

/// <summary>The answer "no port is left", as a value.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class ExhaustedBenchmark
{
    public const int AnswersPerInvoke = 256;

    private readonly PortRequest _request = new("vol0:/bricks/one-too-many");
    private PortRegistry _registry = null!;
    private IPortBook _lock = null!;

    [Params(PortOrder.NextFit, PortOrder.Random, PortOrder.LowestFree)]
    public PortOrder Order { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _registry = Books.Registry(Order);
        _lock = Books.Lock();
        foreach (string owner in OwnerNames.Make(Books.Ports.Count))
        {
            Books.Acquire(_registry, owner);
            _lock.TryAcquire(owner, out _);
        }
    }

    [GlobalCleanup]
    public void Cleanup() => _registry.Dispose();

    [Benchmark(Baseline = true, OperationsPerInvoke = AnswersPerInvoke)]
    public void LockBitArrayDictionary()
    {
        for (int i = 0; i < AnswersPerInvoke; i++)
        {
            if (_lock.TryAcquire(_request.Owner, out _))
            {
                throw new InvalidOperationException("The lock gave out a port that it did not have.");
            }
        }
    }

    [Benchmark(OperationsPerInvoke = AnswersPerInvoke)]
    public void Registry()
    {
        for (int i = 0; i < AnswersPerInvoke; i++)
        {
            if (_registry.TryAcquire(_request, out _, out PortRefusal? refusal) || refusal.Reason != PortRefusalReason.Exhausted)
            {
                throw new InvalidOperationException($"The full range answered: {refusal?.ToString() ?? "a port"}");
            }
        }
    }
}
