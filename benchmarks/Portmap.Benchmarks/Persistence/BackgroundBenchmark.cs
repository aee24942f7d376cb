using BenchmarkDotNet.Attributes;
using Portmap.Persistence;

namespace Portmap.Benchmarks.Persistence;

/// <summary>Acquire a port and give it back: without a store, and with one that is written in the
/// background. The bytes are those of all threads, the writer's included.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class BackgroundBenchmark
{
    private const int PairsPerInvoke = 8_192;

    private static readonly PortRequest s_request = new("vol0:/bricks/b1");

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"portmap-benchmark-{Guid.NewGuid():N}");
    private PortRegistry _without = null!;
    private PortRegistry _background = null!;

    [GlobalSetup]
    public void Setup()
    {
        PortRegistryOptions options = new() { Ports = "49152-65535", Strategy = PortRegistryOptions.AllocatorPicks, ReuseDelay = TimeSpan.Zero, Probe = false };
        _without = new PortRegistry(options);
        options.Durability = PortDurability.Background;
        _background = PortRegistry.OpenAsync(options, new FilePortStore(_folder, TimeProvider.System)).GetAwaiter().GetResult();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _without.Dispose();
        _background.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = PairsPerInvoke)]
    public void WithoutStore() => Use(_without);

    [Benchmark(OperationsPerInvoke = PairsPerInvoke)]
    public void Background() => Use(_background);

    private static void Use(PortRegistry registry)
    {
        for (int i = 0; i < PairsPerInvoke; i++)
        {
            if (!registry.TryAcquire(s_request, out PortLease? lease, out PortRefusal? refusal) || !lease.TryRelease(out refusal))
            {
                throw new InvalidOperationException(refusal?.ToString());
            }
        }
    }
}
