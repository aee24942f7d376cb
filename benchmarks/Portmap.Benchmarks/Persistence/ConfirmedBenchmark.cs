using System.Text;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Portmap.Persistence;

namespace Portmap.Benchmarks.Persistence;

/// <summary>64 acquisitions at once under Confirmed, against one write and one fsync for each, one
/// after the other. The time is by acquisition.</summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 2, iterationCount: 5)]
[MemoryDiagnoser]
public class ConfirmedBenchmark
{
    internal const int Callers = 64, Each = 400, Serial = 200;

    private const string Memory = "/dev/shm";

    private static readonly byte[] s_line = Encoding.ASCII.GetBytes(new string('x', 200) + "\n");

    private string _path = string.Empty;
    private PortRegistry _registry = null!;
    private SlowFolder _state = null!;
    private SlowFolder _folder = null!;
    private IStateFile _file = null!;

    /// <summary>What an fsync takes beyond what this machine's disk takes.</summary>
    [Params(0, 1)]
    public int SlowerByMs { get; set; }

    /// <summary>An fsync of so long instead, on a folder in memory; 0 is the disk.</summary>
    internal int MicrosecondsInMemory { get; init; }

    private TimeSpan Slower => MicrosecondsInMemory != 0 ? TimeSpan.FromMicroseconds(MicrosecondsInMemory) : TimeSpan.FromMilliseconds(SlowerByMs);

    [IterationSetup]
    public void Setup()
    {
        // A disk, where there is one: the folder for temporary files may be in memory.
        _path = Path.Combine(MicrosecondsInMemory != 0 && Directory.Exists(Memory) ? Memory : Environment.GetEnvironmentVariable("PORTMAP_BENCHMARK_DISK") ?? Path.GetTempPath(), $"portmap-benchmark-{Guid.NewGuid():N}");
        Directory.CreateDirectory(_path);
        _state = FolderOf("state");
        _registry = PortRegistry.OpenAsync(
            new PortRegistryOptions { Ports = "10000-65535", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false },
            new FilePortStore(_state, TimeProvider.System)).GetAwaiter().GetResult();
        _folder = FolderOf("serial");
        _folder.Take();
        _file = _folder.Create("log");
    }

    [IterationCleanup]
    public void Cleanup()
    {
        _registry.Dispose();
        _file.Dispose();
        _folder.Dispose();
        Directory.Delete(_path, recursive: true);
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Serial)]
    public long OneFsyncEach()
    {
        long end = 0;
        for (int i = 0; i < Serial; i++)
        {
            _file.Write(s_line, end);
            _file.Sync();
            end += s_line.Length;
        }

        return end;
    }

    [Benchmark(OperationsPerInvoke = Callers * Each)]
    public async Task Confirmed64AtOnce()
    {
        int before = _state.Syncs;
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(AcquireAsync));
        if (_state.Syncs - before < Each)
        {
            throw new InvalidOperationException($"{_state.Syncs - before} syncs cannot have confirmed {Each} acquisitions, each after the one before.");
        }
    }

    private async Task AcquireAsync(int caller)
    {
        await Task.Yield();
        for (int i = 0; i < Each; i++)
        {
            await _registry.AcquireAsync($"{caller}/{i}");
        }
    }

    private SlowFolder FolderOf(string name) => new(new StateFolder(Path.Combine(_path, name)), Slower);
}
