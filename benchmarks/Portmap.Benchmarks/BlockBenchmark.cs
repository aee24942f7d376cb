using System.Globalization;
using BenchmarkDotNet.Attributes;

namespace Portmap.Benchmarks;

/// <summary>Ten ports in a row while others hold most of the range, beside one port. There is one
/// such row, at the end of the range; what else is free lies far apart, as far as there is
/// room.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class BlockBenchmark
{
    public const int RowsPerInvoke = 64, Length = 10;

    private readonly PortRequest _request = new("vol0:/bricks/one");
    private readonly PortRequest[] _row = Row(Length), _longer = Row(Length + 1);
    private PortRegistry _registry = null!;

    /// <summary>How many of the 16,384 ports are free.</summary>
    [Params(16_384, 8_192, 1_638, 164, 10)]
    public int Free { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _registry = Books.Registry();
        int apart = Free - Length, rest = Books.Ports.Count - Length - 1;   // the port before the row is held, but in an empty range
        HashSet<int> free = [.. Enumerable.Range(Books.Ports.Count - Length, Length), .. Enumerable.Range(0, apart).Select(i => (int)((long)i * rest / Math.Max(apart, 1)))];
        string[] owners = OwnerNames.Make(Books.Ports.Count);
        for (int i = 0; Free < Books.Ports.Count && i < Books.Ports.Count; i++)
        {
            if (!free.Contains(i))
            {
                Books.Acquire(_registry, new PortRequest(owners[i]) { Reuse = PortReuse.Require, Previous = Books.Ports.First + i });
            }
        }
    }

    [GlobalCleanup]
    public void Cleanup() => _registry.Dispose();

    [Benchmark(Baseline = true, OperationsPerInvoke = RowsPerInvoke)]
    public void OnePort() => Books.Churn(_registry, _request, RowsPerInvoke);

    [Benchmark(OperationsPerInvoke = RowsPerInvoke)]
    public void TenInARow()
    {
        for (int i = 0; i < RowsPerInvoke; i++)
        {
            if (!_registry.TryAcquireAll(_row, contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal))
            {
                throw new InvalidOperationException(refusal.ToString());
            }

            Release(leases);
        }
    }

    /// <summary>One more than there are, but for an empty range: the answer that there is no such
    /// row.</summary>
    [Benchmark(OperationsPerInvoke = RowsPerInvoke)]
    public int OneTooMany()
    {
        int refused = 0;
        for (int i = 0; i < RowsPerInvoke; i++)
        {
            if (_registry.TryAcquireAll(_longer, contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal))
            {
                Release(leases);
            }
            else
            {
                refused += refusal.Reason == PortRefusalReason.Exhausted ? 1 : 0;
            }
        }

        return refused == RowsPerInvoke || Free > Books.Ports.Count / 2 ? refused : throw new InvalidOperationException("A row was found that is not there.");
    }

    private static void Release(IReadOnlyList<PortLease> leases)
    {
        foreach (PortLease lease in leases)
        {
            lease.TryRelease(out _);
        }
    }

    private static PortRequest[] Row(int length) =>
        [.. Enumerable.Range(0, length).Select(i => new PortRequest(string.Create(CultureInfo.InvariantCulture, $"vol0:/bricks/row/{i}")))];
}
