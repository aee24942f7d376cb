using System.Buffers;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Microsoft.Win32.SafeHandles;
using Portmap.Persistence;
using Portmap.Tests.Persistence;

namespace Portmap.Benchmarks.Persistence;

/// <summary>A day of churn, 1,000,000 changes of 1,000 owners in batches of 64, against writing and
/// syncing the same lines to a file that only grows. The time is by change.</summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 0, iterationCount: 3)]
[MemoryDiagnoser]
public class ChurnBenchmark
{
    private const int Changes = 1_000_000;
    private const int Owners = 1_000;
    private const int BatchLength = 64;

    private string _folder = string.Empty;

    [IterationSetup]
    public void Setup()
    {
        _folder = Path.Combine(Path.GetTempPath(), $"portmap-benchmark-{Guid.NewGuid():N}");
        Directory.CreateDirectory(_folder);
    }

    [IterationCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    [Benchmark(Baseline = true, OperationsPerInvoke = Changes)]
    public long AppendAndSync()
    {
        Churn churn = new(Owners, seed: 1);
        ArrayBufferWriter<byte> lines = new();
        using SafeFileHandle file = File.OpenHandle(Path.Combine(_folder, "log"), FileMode.CreateNew, FileAccess.Write);
        long length = 0;
        for (int done = 0; done < Changes; done += BatchLength)
        {
            lines.ResetWrittenCount();
            foreach (PortFact fact in churn.Next(BatchLength))
            {
                FactLine.TryWrite(lines, fact);
            }

            RandomAccess.Write(file, lines.WrittenSpan, length);
            RandomAccess.FlushToDisk(file);
            length += lines.WrittenCount;
        }

        return length;
    }

    [Benchmark(OperationsPerInvoke = Changes)]
    public async Task<long> Store()
    {
        Churn churn = new(Owners, seed: 1);
        string path = Path.Combine(_folder, FilePortStore.FileName);
        await using FilePortStore store = new(_folder, churn);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None);
        long longest = 0;
        for (int done = 0; done < Changes; done += BatchLength)
        {
            await store.AppendAsync(churn.Next(BatchLength), CancellationToken.None);
            longest = Math.Max(longest, new FileInfo(path).Length);
        }

        long bound = churn.Bound();
        Console.WriteLine($"// the file was at most {longest} bytes long, at the end {new FileInfo(path).Length}; the bound is {bound}");
        return longest <= bound ? longest : throw new InvalidOperationException($"The file was {longest} bytes long and may be {bound}.");
    }
}
