using System.Diagnostics;
using BenchmarkDotNet.Attributes;
using Portmap.Persistence;
using Portmap.Processes;

namespace Portmap.Benchmarks.Persistence;

/// <summary>Open a state that was left behind by a daemon whose 100 processes still live, against
/// reading and checksumming the same file. Store is the file store alone, Registry the whole: the
/// entries wait as Recovered afterwards.</summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
public class OpenStateBenchmark
{
    private const int Processes = 100;

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"portmap-benchmark-{Guid.NewGuid():N}");
    private readonly List<Process> _processes = [];
    private readonly byte[] _buffer = new byte[128 * 1_024];

    [Params(10_000, 65_535)]
    public int Entries { get; set; }

    [GlobalSetup]
    public async Task Setup()
    {
        Directory.CreateDirectory(_folder);
        Guid boot = BootIdentity.Current;
        _processes.AddRange(Enumerable.Range(0, Processes).Select(_ => Process.Start("sleep", "600")));
        ProcessIdentity[] identities = [.. _processes.Select(process => ProcessIdentity.Of(process.Id, out _))];
        await using FilePortStore store = new(_folder, TimeProvider.System);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None);
        await store.AppendAsync(
            [.. Enumerable.Range(1, Entries).Select(i => new PortFact
            {
                Owner = $"vol0:/bricks/b{i}",
                Port = i,
                Epoch = (TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() << 20) + (16L * i),
                State = PortState.Bound,
                ProcessId = identities[i % Processes].Id,
                ProcessStart = identities[i % Processes].StartTime,
                BootId = boot,
                At = TimeProvider.System.GetUtcNow(),
                Until = DateTimeOffset.UnixEpoch,
                Strategy = PortRegistryOptions.AllocatorPicks,
            })],
            CancellationToken.None);
        await store.DisposeAsync();
        await CheckAsync();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        CheckAsync().GetAwaiter().GetResult();   // the processes lived until now
        _processes.ForEach(process => process.Kill());
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark(Baseline = true)]
    public uint ReadAndChecksum()
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(Path.Combine(_folder, FilePortStore.FileName));
        uint sum = 0;
        long offset = 0;
        for (int read = RandomAccess.Read(file, _buffer, 0); read > 0; read = RandomAccess.Read(file, _buffer, offset))
        {
            sum ^= Crc32C.Of(_buffer.AsSpan(0, read));
            offset += read;
        }

        return sum;
    }

    [Benchmark]
    public async Task<int> Store()
    {
        int facts = 0;
        await using FilePortStore store = new(_folder, TimeProvider.System);
        await store.LoadAsync(fact => facts += fact.IsMark ? 0 : 1, text => throw new InvalidOperationException(text), CancellationToken.None);
        return facts == Entries ? facts : throw new InvalidOperationException($"{facts} facts came back.");
    }

    [Benchmark]
    public async Task<PortRegistry> Registry()
    {
        await using PortRegistry registry = await OpenAsync();
        return !registry.WhenSettled.IsCompleted ? registry : throw new InvalidOperationException("Nobody is waited for.");
    }

    /// <summary>That an opening brings all back: one that does not is no fast one.</summary>
    private async Task CheckAsync()
    {
        await using PortRegistry registry = await OpenAsync();
        int recovered = registry.Snapshot().Entries.Count(entry => entry.State == PortState.Recovered);
        if (recovered != Entries)
        {
            throw new InvalidOperationException($"{recovered} of {Entries} entries came back.");
        }
    }

    private Task<PortRegistry> OpenAsync() =>
        PortRegistry.OpenAsync(new PortRegistryOptions { StateFolder = _folder, Ports = "1-65535", MaxOwners = 65_536, Probe = false });
}
