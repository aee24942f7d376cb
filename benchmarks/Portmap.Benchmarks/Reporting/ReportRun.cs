using System.Globalization;
using Portmap.Benchmarks.Gate;
using Portmap.Charts;

namespace Portmap.Benchmarks.Reporting;

/// <summary>Measures what the charts show, draws them and prints the tables below them: <c>--
/// charts [FOLDER]</c>, about a minute.</summary>
internal static class ReportRun
{
    private const int SliceMs = 10, Slices = 11;

    public static int Run(string[] args, TextWriter output)
    {
        string folder = args.Length > 0 ? args[0] : Path.Combine("benchmarks", "charts");
        Directory.CreateDirectory(folder);
        Write(folder, "throughput", output, Throughput(output));
        Write(folder, "latency", output, Latency(output));
        Write(folder, "fullness", output, Fullness(output));
        InARow(output);
        Write(folder, "owners", output, Owners(output));
        return 0;
    }

    private static LineChart Throughput(TextWriter output)
    {
        int[] threads = [1, 2, 4, 8];
        string[] names = ["Portmap", "lock + BitArray + Dictionary", "ConcurrentDictionary", "linear list (glusterd)", "random probes (Nomad)"];
        double[][] ns = [.. names.Select(_ => new double[threads.Length])];
        for (int i = 0; i < threads.Length; i++)
        {
            AcquireReleaseBenchmark benchmark = new() { Threads = threads[i] };
            benchmark.Setup();
            Action[] baselines = [benchmark.LockBitArrayDictionary, benchmark.ConcurrentDictionary, benchmark.LinearListAsGlusterd, benchmark.RandomProbesAsNomad];
            Fill(ns, i, benchmark.Registry, baselines, AcquireReleaseBenchmark.PairsPerInvoke, SliceMs);
            benchmark.Cleanup();
        }

        Table(output, "Acquire and release, ns by pair of all threads together", "threads", [.. threads.Select(Number)], names, ns);
        LineChart chart = new("Acquire and release: million pairs a second, 2 cores", "threads", [.. threads.Select(Number)], value => Text($"{value:0.#}"), isLog: false);
        return Lines(chart, names, ns, value => 1_000 / value);
    }

    private static LineChart Latency(TextWriter output)
    {
        const int Milliseconds = 400, Runs = 5;
        double[] shares = [0.5, 0.9, 0.99, 0.999, 0.9999];
        string[] places = ["p50", "p90", "p99", "p99.9", "p99.99"], names = ["Portmap", "lock + BitArray + Dictionary"];
        double[][][] all = [[.. shares.Select(_ => new double[Runs])], [.. shares.Select(_ => new double[Runs])]];
        using LatencyRun run = new();
        run.Registry(Milliseconds);
        run.Lock(Milliseconds);
        for (int i = 0; i < Runs; i++)
        {
            LatencyHistogram[] both = [run.Registry(Milliseconds), run.Lock(Milliseconds)];
            for (int share = 0; share < shares.Length; share++)
            {
                all[0][share][i] = both[0].NsAt(shares[share]);
                all[1][share][i] = both[1].NsAt(shares[share]);
            }
        }

        double[][] ns = [.. all.Select(book => book.Select(PairedTimer.Median).ToArray())];
        Table(output, "A pair of acquire and release, 8 threads on 2 cores, ns (median of 5 runs)", "percentile", places, names, ns);
        return Lines(new LineChart("A pair of acquire and release, 8 threads on 2 cores", "percentile", places, Duration, isLog: true), names, ns, value => value);
    }

    private static LineChart Fullness(TextWriter output)
    {
        int[] free = [16_384, 8_192, 1_638, 164, 16, 1];
        string[] names = ["Portmap", "lock + BitArray + Dictionary", "random probes (Nomad)"], places = [.. free.Select(Number)];
        double[][] ns = [.. names.Select(_ => new double[free.Length])];
        for (int i = 0; i < free.Length; i++)
        {
            FullnessBenchmark benchmark = new() { Free = free[i] };
            benchmark.Setup();
            Fill(ns, i, benchmark.Registry, [benchmark.LockBitArrayDictionary, benchmark.RandomProbesAsNomad], FullnessBenchmark.PairsPerInvoke, SliceMs);
            benchmark.Cleanup();
        }

        Table(output, "Acquire and release, one thread, ns by pair", "free of 16,384", places, names, ns);
        return Lines(new LineChart("Acquire and release while the range fills up", "free ports of 16,384", places, Duration, isLog: true), names, ns, value => value);
    }

    private static void InARow(TextWriter output)
    {
        int[] free = [16_384, 8_192, 1_638, 164, 10];
        string[] names = ["ten in a row", "one port", "no eleven in a row"], places = [.. free.Select(Number)];
        double[][] ns = [.. names.Select(_ => new double[free.Length])];
        for (int i = 0; i < free.Length; i++)
        {
            BlockBenchmark benchmark = new() { Free = free[i] };
            benchmark.Setup();
            Fill(ns, i, benchmark.TenInARow, [benchmark.OnePort, () => benchmark.OneTooMany()], BlockBenchmark.RowsPerInvoke, SliceMs);
            benchmark.Cleanup();
        }

        Table(output, "Acquire and release ten ports in a row, one thread, ns", "free of 16,384", places, names, ns);
    }

    private static LineChart Owners(TextWriter output)
    {
        int[] owners = [1, 100, 1_000, 10_000, 60_000];
        string[] names = ["Portmap", "ConcurrentDictionary", "lock + Dictionary", "linear list (glusterd)"], places = [.. owners.Select(Number)];
        double[][] ns = [.. names.Select(_ => new double[owners.Length])];
        for (int i = 0; i < owners.Length; i++)
        {
            LookupBenchmark benchmark = new() { Owners = owners[i] };
            benchmark.Setup();
            Fill(
                ns, i, () => benchmark.Registry(), [() => benchmark.ConcurrentDictionary(), () => benchmark.LockAndDictionary()], LookupBenchmark.LookupsPerInvoke,
                owners[i] > 5_000 ? 25 : SliceMs);
            ns[3][i] = PairedTimer.Measure(
                () => benchmark.LinearListAsGlusterd(), () => benchmark.LinearListAsGlusterd(), LookupBenchmark.LinearLookupsPerInvoke, SliceMs, slices: 3).OursNs;
            benchmark.Cleanup();
        }

        Table(output, "From an owner to its port, random order, ns", "owners", places, names, ns);
        return Lines(new LineChart("From an owner to its port, random order", "owners", places, Duration, isLog: true), names, ns, value => value);
    }

    /// <summary>Ours against each baseline in turn; ours is the median of those.</summary>
    private static void Fill(double[][] ns, int at, Action ours, Action[] baselines, int operations, int sliceMs)
    {
        double[] oursNs = new double[baselines.Length];
        for (int i = 0; i < baselines.Length; i++)
        {
            Paired paired = PairedTimer.Measure(ours, baselines[i], operations, sliceMs, Slices);
            (oursNs[i], ns[i + 1][at]) = (paired.OursNs, paired.BaselineNs);
        }

        ns[0][at] = PairedTimer.Median(oursNs);
    }

    private static LineChart Lines(LineChart chart, string[] names, double[][] ns, Func<double, double> value)
    {
        for (int i = 0; i < names.Length; i++)
        {
            chart.Line(names[i], ns[i].Select(value));
        }

        return chart;
    }

    private static void Table(TextWriter output, string title, string first, string[] places, string[] names, double[][] ns)
    {
        output.WriteLine($"{title}:");
        output.WriteLine();
        output.WriteLine($"| {first} | {string.Join(" | ", names)} |");
        output.WriteLine($"|---:|{string.Concat(names.Select(_ => "---:|"))}");
        for (int i = 0; i < places.Length; i++)
        {
            output.WriteLine($"| {places[i]} | {string.Join(" | ", ns.Select(line => Text($"{line[i]:#,0.#}")))} |");
        }

        output.WriteLine();
    }

    private static void Write(string folder, string name, TextWriter output, LineChart chart)
    {
        string file = Path.Combine(folder, name + ".svg");
        chart.Save(file);
        output.WriteLine($"{file} is written.");
        output.WriteLine();
    }

    private static string Duration(double ns) => ns switch
    {
        < 1_000 => Text($"{ns:0.#} ns"),
        < 1_000_000 => Text($"{ns / 1_000:0.#} µs"),
        _ => Text($"{ns / 1_000_000:0.#} ms"),
    };

    private static string Number(int value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
