using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Portmap.Benchmarks.Persistence;
using Portmap.Benchmarks.Quick;
using Portmap.Benchmarks.Upkeep;
using Portmap.Benchmarks.Wire;

namespace Portmap.Benchmarks.Gate;

/// <summary>The cases the gate runs: the classes of the full tables, each with the one baseline its
/// budget names.</summary>
internal static class GateCases
{
    private const int Runs = 5, OpeningWarmUps = 150;

    /// <summary>Every case by name, in the order they run.</summary>
    public static IReadOnlyDictionary<string, Func<string, Measured>> All { get; } = Make();

    private static Dictionary<string, Func<string, Measured>> Make()
    {
        Dictionary<string, Func<string, Measured>> cases = [];
        foreach ((string quick, Func<QuickRow> run) in QuickCases.OneThread)
        {
            cases.Add(quick, name => Compared(name, run()));
        }

        cases.Add("lookup, scaling to 2 threads", LookupScaling);
        cases.Add("acquire + release, 2 threads", AcquireReleaseTwo);
        cases.Add("acquire + release, 8 threads, p99.9", Tail);
        cases.Add("acquire, 1 free of 16,384", OneFree);
        cases.Add("10 in a row, 164 free of 16,384", name => InARow(name, benchmark => benchmark.TenInARow()));
        cases.Add("no 11 in a row, 164 free of 16,384", name => InARow(name, benchmark => benchmark.OneTooMany()));
        cases.Add("exhausted", Exhausted);
        cases.Add("miss after 10,000,000 owners", MissAfterMany);
        cases.Add("guarded acquire + release", Guarded);
        cases.Add("opening 10,000 entries, the store", name => Opening(name, benchmark => benchmark.Store()));
        cases.Add("opening 10,000 entries, the registry", name => Opening(name, benchmark => benchmark.Registry()));
        cases.Add("64 confirmed at once, fsync of 1 ms", name => Confirmed64(name, () => new() { SlowerByMs = 1 }));
        cases.Add("64 confirmed at once, fsync of 75 us", name => Confirmed64(name, () => new() { MicrosecondsInMemory = 75 }));
        cases.Add("60,000 confirmed at once, by twice 30,000", ConfirmedAtOnce);
        cases.Add("liveness pass, 10,000 of 4,000 processes", LivenessPass);
        cases.Add("idle daemon, 10,000 of 4,000 processes", Idle);
        cases.Add("lookup by wire beside 4 that list 60,000, p99", LookupBesideListings);
        cases.Add("memory, empty registry of all ports", MemoryEmpty);
        cases.Add("memory, by registered port", MemoryByPort);
        return cases;
    }

    /// <summary>How much of the second thread each gets, the dictionary's by ours.</summary>
    private static Measured LookupScaling(string name)
    {
        LookupThreadsBenchmark one = new() { Threads = 1 }, two = new() { Threads = 2 };
        one.Setup();
        two.Setup();
        const int Lookups = LookupThreadsBenchmark.LookupsPerInvoke, SliceMs = 10, Slices = 25;
        Paired oursOverDictionary1 = PairedTimer.Measure(one.Registry, one.ConcurrentDictionary, Lookups, SliceMs, Slices);
        Paired oursOverDictionary2 = PairedTimer.Measure(two.Registry, two.ConcurrentDictionary, Lookups, SliceMs, Slices);
        one.Cleanup();
        two.Cleanup();
        double ours = oursOverDictionary1.OursNs / oursOverDictionary2.OursNs, dictionary = oursOverDictionary1.BaselineNs / oursOverDictionary2.BaselineNs;

        // (dictionary 1 / dictionary 2) / (ours 1 / ours 2), from the ratios that were measured
        // side by side.
        return new Measured(
            name, Text($"x {ours:0.00}"), Text($"ConcurrentDictionary x {dictionary:0.00}"), Figures(ratio: oursOverDictionary2.Ratio / oursOverDictionary1.Ratio));
    }

    private static Measured AcquireReleaseTwo(string name)
    {
        Standing[] standings = QuickCases.AcquireReleaseTwoThreads().Standings;
        Standing plain = standings.Single(standing => standing.Name == "TC");
        return Compared(name, new Paired(standings[0].Ns, plain.Ns, plain.Ratio), "lock");
    }

    /// <summary>The slowest thousandth against the lock's: the medians of some runs, taken in
    /// turns.</summary>
    private static Measured Tail(string name)
    {
        const int Milliseconds = 400;
        const double Share = 0.999;
        using LatencyRun run = new();
        run.Registry(Milliseconds);
        run.Lock(Milliseconds);
        List<double> ours = [], theirs = [];
        for (int i = 0; i < Runs; i++)
        {
            ours.Add(run.Registry(Milliseconds).NsAt(Share));
            theirs.Add(run.Lock(Milliseconds).NsAt(Share));
        }

        double oursNs = PairedTimer.Median([.. ours]), theirsNs = PairedTimer.Median([.. theirs]);
        return new Measured(name, Text($"{oursNs / 1_000:0.0} us"), Text($"lock {theirsNs / 1_000:0.0} us"), Figures(oursNs / theirsNs));
    }

    /// <summary>Only the acquisition is timed, with the cost of reading the clock taken off; the
    /// release between two of them is not.</summary>
    private static Measured OneFree(string name)
    {
        FullnessBenchmark full = new() { Free = 1 };
        full.Setup();
        full.AssertEveryPortIsFound();
        using PortRegistry empty = Books.Registry();
        PortRequest request = new("vol0:/bricks/one");
        double clockNs = PairedTimer.Median([.. Enumerable.Range(0, 9).Select(_ => NsOf(100_000, () => { }))]);
        Paired paired = PairedTimer.Measure(() => AcquireNs(full.Ours, request) - clockNs, () => AcquireNs(empty, request) - clockNs);
        full.Cleanup();
        return Compared(name, paired, "ours, empty range");
    }

    /// <summary>Against one acquisition and release in the same registry.</summary>
    private static Measured InARow(string name, Action<BlockBenchmark> ask)
    {
        BlockBenchmark benchmark = new() { Free = 164 };
        benchmark.Setup();
        Paired paired = PairedTimer.Measure(() => ask(benchmark), benchmark.OnePort, BlockBenchmark.RowsPerInvoke, sliceMs: 5, slices: 15);
        benchmark.Cleanup();
        return Compared(name, paired, "one port");
    }

    private static Measured Exhausted(string name)
    {
        Dictionary<string, double> figures = [];
        Paired paired = default;
        foreach (PortOrder order in Enum.GetValues<PortOrder>())
        {
            ExhaustedBenchmark benchmark = new() { Order = order };
            benchmark.Setup();
            paired = PairedTimer.Measure(benchmark.Registry, benchmark.LockBitArrayDictionary, ExhaustedBenchmark.AnswersPerInvoke, sliceMs: 5, slices: 15);
            benchmark.Cleanup();
            figures.Add($"nanoseconds {order}", paired.OursNs);
            figures.Add($"ratio {order}", paired.Ratio);
        }

        return Compared(name, paired, "lock") with { Figures = figures };
    }

    /// <summary>A registry that has seen many owners come and go, against a new one.</summary>
    private static Measured MissAfterMany(string name)
    {
        const int Owners = 10_000_000, Misses = 1_024;
        using PortRegistry aged = Books.Registry(), fresh = Books.Registry();
        for (int i = 0; i < Owners; i++)
        {
            Books.Churn(aged, new PortRequest(string.Create(CultureInfo.InvariantCulture, $"gone:/bricks/b{i}")), 1);
        }

        string[] missing = OwnerNames.Make(Misses);
        Paired paired = PairedTimer.Measure(() => Miss(aged, missing), () => Miss(fresh, missing), Misses, sliceMs: 6);
        return Compared(name, paired, "ours, new");
    }

    /// <summary>A port held by the kernel and given back, against the system calls alone.</summary>
    private static Measured Guarded(string name)
    {
        GuardBenchmark benchmark = new();
        benchmark.Setup();
        Paired paired = Cpu(static () => ThreadClock.NowNs, GuardBenchmark.PairsPerInvoke, () => benchmark.GuardedAcquireRelease(), () => benchmark.BareSystemCalls());
        benchmark.Cleanup();
        return Compared(name, paired, "bare system calls");
    }

    /// <summary>A state that was left behind, against reading and checksumming its file.</summary>
    private static Measured Opening(string name, Func<OpenStateBenchmark, Task> open)
    {
        OpenStateBenchmark benchmark = new() { Entries = 10_000 };
        benchmark.Setup().GetAwaiter().GetResult();
        try
        {
            for (int i = 0; i < OpeningWarmUps; i++)
            {
                open(benchmark).GetAwaiter().GetResult();
                Thread.Sleep(5);   // the compiler's time is processor time of this process too: it is to have ended
            }

            Paired paired = Cpu(static () => ThreadClock.ProcessNs, operations: 1, () => open(benchmark).GetAwaiter().GetResult(), () => benchmark.ReadAndChecksum());
            long before = GC.GetTotalAllocatedBytes(precise: true);
            open(benchmark).GetAwaiter().GetResult();
            double bytes = GC.GetTotalAllocatedBytes(precise: true) - before;
            return Compared(name, paired, "read and checksum") with { Figures = Figures(paired.Ratio, bytes) };
        }
        finally
        {
            benchmark.Cleanup();
        }
    }

    /// <summary>What an acquisition costs when 64 wait for the disk together, against one write and
    /// one fsync for each.</summary>
    private static Measured Confirmed64(string name, Func<ConfirmedBenchmark> make)
    {
        ConfirmedBenchmark benchmark = make();
        List<double> ours = [], theirs = [];
        for (int i = 0; i < 4; i++)   // the first one compiles
        {
            benchmark.Setup();
            long start = Stopwatch.GetTimestamp();
            benchmark.OneFsyncEach();
            theirs.Add(Stopwatch.GetElapsedTime(start).TotalNanoseconds / ConfirmedBenchmark.Serial);
            start = Stopwatch.GetTimestamp();
            benchmark.Confirmed64AtOnce().GetAwaiter().GetResult();
            ours.Add(Stopwatch.GetElapsedTime(start).TotalNanoseconds / (ConfirmedBenchmark.Callers * ConfirmedBenchmark.Each));
            benchmark.Cleanup();
        }

        double oursNs = PairedTimer.Median([.. ours.Skip(1)]), theirsNs = PairedTimer.Median([.. theirs.Skip(1)]);
        return Compared(name, new Paired(oursNs, theirsNs, oursNs / theirsNs), "one fsync each");
    }

    /// <summary>That nothing in the writer is worse than linear: twice as many take twice as long,
    /// sign-in and sign-out together.</summary>
    private static Measured ConfirmedAtOnce(string name)
    {
        const int Half = 30_000;
        SignInRun.MeasureAsync(Half).GetAwaiter().GetResult();   // what is compiled and made once
        (double halfIn, double halfOut) = SignInRun.MeasureAsync(Half).GetAwaiter().GetResult();
        (double signIn, double signOut) = SignInRun.MeasureAsync(2 * Half).GetAwaiter().GetResult();
        return new Measured(
            name, Text($"in {signIn:0.00} s, out {signOut:0.00} s"), Text($"30,000: in {halfIn:0.00} s, out {halfOut:0.00} s"), new Dictionary<string, double> { ["ratio"] = (signIn + signOut) / (2 * (halfIn + halfOut)), ["seconds"] = signIn });
    }

    /// <summary>The processor time of the pass that runs each second, against a look at each
    /// process.</summary>
    private static Measured LivenessPass(string name)
    {
        using IdleDaemon daemon = new();
        double ms = daemon.LivenessPassMs();
        return new Measured(name, Text($"{ms:0.00} ms"), Text($"a look at each {daemon.LooksMs():0.0} ms"), new Dictionary<string, double> { ["milliseconds"] = ms });
    }

    /// <summary>The processor time of a whole daemon of which nobody wants anything.</summary>
    private static Measured Idle(string name)
    {
        using IdleDaemon daemon = new();
        double percent = daemon.PercentOfACore();
        return new Measured(
            name,
            Text($"{percent:0.00} %"),
            Text($"by pass {daemon.LivenessPassMs():0.00} and {daemon.ReconcilePassMs():0.0} ms"),
            new Dictionary<string, double> { ["percent of a core"] = percent });
    }

    /// <summary>What clients that list cost one that looks up, against as many that look
    /// up.</summary>
    private static Measured LookupBesideListings(string name)
    {
        (double listing, double looking, int read) = RunAsync().GetAwaiter().GetResult();
        return new Measured(name, Text($"{listing:N0} us, {read} listings"), Text($"beside 4 that look up {looking:N0} us"), Figures(listing / looking));

        static async Task<(double Listing, double Looking, int Read)> RunAsync()
        {
            ListingRun run = await ListingRun.StartAsync().ConfigureAwait(false);
            await using ConfiguredAsyncDisposable end = run.ConfigureAwait(false);
            await run.BesideListingsAsync().ConfigureAwait(false);
            await run.BesideLookupsAsync().ConfigureAwait(false);
            List<(double P99, int Read)> listing = [], looking = [];
            for (int i = 0; i < Runs; i++)
            {
                listing.Add(await run.BesideListingsAsync().ConfigureAwait(false));
                looking.Add(await run.BesideLookupsAsync().ConfigureAwait(false));
            }

            return (PairedTimer.Median([.. listing.Select(one => one.P99)]), PairedTimer.Median([.. looking.Select(one => one.P99)]), listing.Sum(one => one.Read));
        }
    }

    private static Measured MemoryEmpty(string name)
    {
        PortRegistryOptions options = new() { Ports = "1-65535" };
        new PortRegistry(options).Dispose();   // what is made once for all registries is not the registry's
        long before = GC.GetAllocatedBytesForCurrentThread();
        new PortRegistry(options).Dispose();
        double bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        return new Measured(name, Text($"{bytes / 1_024:N0} KiB"), "-", Figures(bytes: bytes));
    }

    /// <summary>Acquired and registered, as a daemon does it; the names were there
    /// before.</summary>
    private static Measured MemoryByPort(string name)
    {
        const int Owners = 60_000, First = 5_000;
        string[] owners = OwnerNames.Make(Owners);
        using PortRegistry registry = new(new PortRegistryOptions { Ports = $"{First}-65535", Probe = false, LivenessInterval = TimeSpan.FromHours(1) });
        PortSession session = registry.OpenSession(Environment.ProcessId);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < Owners; i++)
        {
            long epoch = Books.Acquire(registry, owners[i]).Epoch;
            if (!session.TryRegister(new PortClaimRequest(owners[i], First + i) { Epoch = epoch }, out _, out PortRefusal? refusal))
            {
                throw new InvalidOperationException(refusal.ToString());
            }
        }

        double bytes = (double)(GC.GetTotalMemory(forceFullCollection: true) - before) / Owners;
        GC.KeepAlive(owners);
        return new Measured(name, Text($"{bytes:0} B"), "-", Figures(bytes: bytes));
    }

    private static void Miss(PortRegistry registry, string[] owners)
    {
        foreach (string owner in owners)
        {
            if (registry.TryGetPort(owner, out _))
            {
                throw new InvalidOperationException($"{owner} was never registered.");
            }
        }
    }

    /// <summary>Compares processor time, which other work on the machine does not add to.</summary>
    private static Paired Cpu(Func<long> clock, int operations, Action ours, Action baseline)
    {
        const long SliceNs = 15_000_000;
        Standing[] standings = Turns.Measure(clock, SliceNs, rounds: 31, new("ours", ours, operations), new("baseline", baseline, operations));
        return new Paired(standings[0].Ns, standings[1].Ns, standings[1].Ratio);
    }

    private static double AcquireNs(PortRegistry registry, PortRequest request)
    {
        PortLease? lease = null;
        return NsOf(4_096, () => lease = Books.Acquire(registry, request), () => lease!.TryRelease(out _));
    }

    private static double NsOf(int times, Action timed, Action? between = null)
    {
        long ticks = 0;
        for (int i = 0; i < times; i++)
        {
            long start = Stopwatch.GetTimestamp();
            timed();
            ticks += Stopwatch.GetTimestamp() - start;
            between?.Invoke();
        }

        return ticks * 1_000_000_000.0 / Stopwatch.Frequency / times;
    }

    private static Measured Compared(string name, Paired paired, string baseline) =>
        new(name, Text($"{paired.OursNs:0.0} ns"), Text($"{baseline} {paired.BaselineNs:0.0} ns"), Figures(paired.Ratio));

    /// <summary>Against several baselines: the figure of each is "ratio" and its name.</summary>
    private static Measured Compared(string name, QuickRow row)
    {
        Dictionary<string, double> figures = row.Standings.Skip(1).ToDictionary(standing => $"ratio {standing.Name}", standing => standing.Ratio);
        figures.Add("bytes", row.Bytes);
        string baselines = string.Join(", ", row.Standings.Skip(1).Select(standing => Text($"{standing.Name} {standing.Ns:0.0} ns")));
        return new Measured(name, Text($"{row.Standings[0].Ns:0.0} ns"), baselines, figures);
    }

    private static Dictionary<string, double> Figures(double? ratio = null, double? bytes = null)
    {
        Dictionary<string, double> figures = [];
        if (ratio is { } r)
        {
            figures.Add("ratio", r);
        }

        if (bytes is { } b)
        {
            figures.Add("bytes", b);
        }

        return figures;
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
