using System.Collections.Concurrent;
using System.Globalization;
using Portmap.Benchmarks.Baselines;

namespace Portmap.Benchmarks.Quick;

/// <summary>What a row of the quick table says.</summary>
/// <param name="Standings">Ours first.</param>
/// <param name="Bytes">What ours allocates by operation.</param>
internal readonly record struct QuickRow(Standing[] Standings, double Bytes);

/// <summary>The rows of the quick table.</summary>
internal static class QuickCases
{
    private const int Pairs = 2_048, Lookups = 1_024, ManyOwners = 10_000, FirstPort = 1_024;
    private const long SliceNs = 1_500_000, LongSliceNs = 6_000_000;
    private const int Rounds = 61;

    /// <summary>Those that processor time of one thread tells: the gate holds them.</summary>
    public static IReadOnlyDictionary<string, Func<QuickRow>> OneThread { get; } = Make();

    /// <summary>Those that only a quiet machine tells.</summary>
    public static IReadOnlyDictionary<string, Func<QuickRow>> ManyThreads { get; } = new Dictionary<string, Func<QuickRow>>
    {
        ["acquire + release, 2 threads"] = AcquireReleaseTwoThreads,
        ["acquire + release, a live reader"] = AcquireReleaseRead,
    };

    private static Dictionary<string, Func<QuickRow>> Make()
    {
        Dictionary<string, Func<QuickRow>> cases = new()
        {
            ["acquire + release, 1 thread"] = AcquireRelease,
            ["acquire + release, 10,000 owners"] = AcquireReleaseManyOwners,
            ["register + release by a session"] = RegisterRelease,
            ["acquire + release, somebody watched before"] = AcquireReleaseRecorded,
            ["acquire + release, a host nobody listens to"] = AcquireReleaseUnheard,
        };
        foreach (int owners in (int[])[1, 1_000, 10_000, 60_000])
        {
            cases.Add(string.Create(CultureInfo.InvariantCulture, $"lookup, {owners:N0} owners"), () => Lookup(owners));
        }

        cases.Add("entry by port, 60,000", EntryByPort);
        cases.Add("entry by owner, 10,000", () => EntryByOwner(10_000));
        cases.Add("entry by owner, 60,000", () => EntryByOwner(60_000));
        cases.Add("snapshot of 16,000", SnapshotOfMany);
        return cases;
    }

    private static QuickRow AcquireRelease()
    {
        using PortRegistry registry = Books.Registry();
        PortRequest request = new(OwnerNames.One);
        return Compare(
            SliceNs,
            new("ours", () => Books.Churn(registry, request, Pairs), Pairs),
            Churn("fair", Books.Fair()), Churn("TC", Books.Lock()), Churn("SW", Books.StopwatchLock()));
    }

    /// <summary>A host's logger on Information and its meters, which nobody collects, beside a
    /// registry that has neither.</summary>
    private static QuickRow AcquireReleaseUnheard()
    {
        using Meters meters = new();
        using PortRegistry unheard = Books.Registry(meters: meters, logger: new InformationLogger()), alone = Books.Registry();
        PortRequest request = new(OwnerNames.One);
        return Compare(
            SliceNs,
            new("ours", () => Books.Churn(unheard, request, Pairs), Pairs),
            new("alone", () => Books.Churn(alone, request, Pairs), Pairs));
    }

    private static QuickRow AcquireReleaseManyOwners()
    {
        using PortRegistry registry = Books.Registry();
        string[] owners = OwnerNames.Make(ManyOwners);
        PortRequest[] requests = [.. owners.Select(owner => new PortRequest(owner))];
        return Compare(
            LongSliceNs,
            new("ours", () => ChurnInTurn(registry, requests), ManyOwners),
            new("fair", ChurnInTurn(Books.Fair(), owners), ManyOwners),
            new("TC", ChurnInTurn(Books.Lock(), owners), ManyOwners));
    }

    /// <summary>By wall clock and pairs of both threads together: a table that scaled perfectly
    /// would take half the time of one thread.</summary>
    public static QuickRow AcquireReleaseTwoThreads()
    {
        const int Threads = 2;
        using PortRegistry registry = Books.Registry();
        IPortBook fair = Books.Fair(), plain = Books.Lock();
        string[] owners = OwnerNames.Make(Threads);
        PortRequest[] requests = [.. owners.Select(owner => new PortRequest(owner))];
        return new QuickRow(
            Together.Measure(
                Threads,
                new("ours", number => Books.Churn(registry, requests[number], Pairs), Threads * Pairs),
                new("fair", number => Books.Churn(fair, owners[number], Pairs), Threads * Pairs),
                new("TC", number => Books.Churn(plain, owners[number], Pairs), Threads * Pairs)),
            double.NaN);
    }

    private static QuickRow RegisterRelease()
    {
        using PortRegistry registry = Books.Registry();
        PortSession session = registry.OpenSession(Environment.ProcessId);
        PortClaimRequest request = new(OwnerNames.One, Books.Ports.First);
        LockBook<TickClock> plain = new(Books.Ports.First, Books.Ports.Last, TimeSpan.Zero);
        return Compare(SliceNs, new("ours", Ours, Pairs), new("TC", Plain, Pairs));

        void Ours()
        {
            for (int i = 0; i < Pairs; i++)
            {
                if (!session.TryRegister(request, out PortEntry entry, out PortRefusal? refusal) || entry.Port != Books.Ports.First || !session.TryRelease(request, out refusal))
                {
                    throw new InvalidOperationException(refusal?.ToString());
                }
            }
        }

        void Plain()
        {
            for (int i = 0; i < Pairs; i++)
            {
                if (!plain.TryRegister(OwnerNames.One, Books.Ports.First, out BookClaim? claim) || !plain.TryRelease(claim))
                {
                    throw new InvalidOperationException("The baseline refused.");
                }
            }
        }
    }

    /// <summary>Against a registry that nobody ever watched.</summary>
    private static QuickRow AcquireReleaseRecorded()
    {
        using PortRegistry registry = Books.Registry(), unwatched = Books.Registry();
        registry.Snapshot();
        PortRequest request = new(OwnerNames.One);
        return Compare(
            SliceNs,
            new("ours", () => Books.Churn(registry, request, Pairs), Pairs),
            new("nobody watching", () => Books.Churn(unwatched, request, Pairs), Pairs));
    }

    /// <summary>The reader's own thread is not counted.</summary>
    private static QuickRow AcquireReleaseRead()
    {
        using PortRegistry registry = Books.Registry(), unwatched = Books.Registry();
        PortRequest request = new(OwnerNames.One);
        long read = 0;
        using CancellationTokenSource stop = new();
        Task reader = Task.Run(async () =>
        {
            await foreach (PortUpdate update in registry.WatchAsync(cancellationToken: stop.Token))
            {
                read += update.Changes.Length;
            }
        });
        QuickRow row = Compare(
            SliceNs,
            new("ours", () => Books.Churn(registry, request, Pairs), Pairs),
            new("nobody watching", () => Books.Churn(unwatched, request, Pairs), Pairs));
        stop.Cancel();
        Task.WhenAny(reader).GetAwaiter().GetResult();
        return read > 0 ? row : throw new InvalidOperationException("The reader was told nothing.");
    }

    private static QuickRow Lookup(int owners)
    {
        using Served served = new(owners);
        ConcurrentDictionary<string, BookClaim> claims = new(served.Claims());
        ConcurrentDictionary<string, int> ports = new(served.Claims().Select(pair => KeyValuePair.Create(pair.Key, pair.Value.Port)));
        Dictionary<string, BookClaim> dictionary = new(served.Claims());
        Lock gate = new();
        Draws draws = new(served.Owners);
        return Compare(
            owners > 5_000 ? LongSliceNs : SliceNs,
            new("ours", () => Sum(draws, owner => served.Registry.TryGetPort(owner, out int port) ? port : 0), Lookups),
            new("ConcurrentDictionary", () => Sum(draws, owner => claims.TryGetValue(owner, out BookClaim? claim) ? claim.Port : 0), Lookups),
            new("the same of int", () => Sum(draws, owner => ports.TryGetValue(owner, out int port) ? port : 0), Lookups),
            new("lock + Dictionary", () => Sum(draws, Locked), Lookups));

        int Locked(string owner)
        {
            lock (gate)
            {
                return dictionary.TryGetValue(owner, out BookClaim? claim) ? claim.Port : 0;
            }
        }
    }

    private static QuickRow EntryByPort()
    {
        const int Owners = 60_000;
        using Served served = new(Owners);
        BookClaim[] slots = [.. Enumerable.Repeat<BookClaim>(null!, FirstPort), .. served.Owners.Select((owner, i) => new BookClaim(owner, FirstPort + i, i, 0) { IsOpen = true })];
        KnownPort[] known = [.. Enumerable.Repeat<KnownPort>(null!, FirstPort), .. served.Owners.Select((owner, i) => new KnownPort(owner, FirstPort + i, i + 1, Environment.ProcessId))];
        Lock gate = new();
        int[] ports = [.. Enumerable.Range(FirstPort, Owners)];
        Random.Shared.Shuffle(ports);
        int at = 0;
        return Compare(
            LongSliceNs,
            new("ours", () => Check(Next(), port => served.Registry.TryGetEntry(port, out PortEntry entry) && entry.Owner.Length > 0 ? entry.Port : 0), Lookups),
            new("lock + array", () => Check(Next(), Locked), Lookups),
            new("lock + array, whole entry", () => Check(Next(), port => TryGetEntry(port, out PortEntry entry) && entry.Owner.Length > 0 ? entry.Port : 0), Lookups));

        Span<int> Next() => ports.AsSpan(at = (at + Lookups) % (Owners - Lookups), Lookups);

        int Locked(int port)
        {
            lock (gate)
            {
                return slots[port] is { IsOpen: true } claim && claim.Owner.Length > 0 ? claim.Port : 0;
            }
        }

        bool TryGetEntry(int port, out PortEntry entry)
        {
            lock (gate)
            {
                KnownPort? found = known[port];
                entry = found?.Entry ?? default;
                return found is not null;
            }
        }

        static void Check(ReadOnlySpan<int> ports, Func<int, int> ask)
        {
            foreach (int port in ports)
            {
                if (ask(port) != port)
                {
                    throw new InvalidOperationException($"{port} was answered wrongly.");
                }
            }
        }
    }

    /// <summary>What a book under a lock keeps of a port to answer all that an entry
    /// says.</summary>
    private sealed record KnownPort(string Owner, int Port, long Epoch, int ProcessId)
    {
        public PortState State { get; set; } = PortState.Bound;

        public DateTimeOffset Since { get; set; } = DateTimeOffset.UtcNow;

        public PortGuarantee Guarantee { get; set; } = PortGuarantee.HeldByProcess;

        public string Strategy { get; } = PortRegistryOptions.ProcessBinds;

        public string Addresses { get; set; } = "*";

        public PortEntry Entry => new()
        {
            Owner = Owner,
            Port = Port,
            Protocol = PortProtocol.Tcp,
            State = State,
            Epoch = Epoch,
            ProcessId = ProcessId,
            Since = Since,
            OwnerCount = 1,
            Guarantee = Guarantee,
            Addresses = Addresses,
            Strategy = Strategy,
        };
    }

    private static QuickRow EntryByOwner(int owners)
    {
        using Served served = new(owners);
        ConcurrentDictionary<string, BookClaim> claims = new(served.Claims());
        Dictionary<string, BookClaim> dictionary = new(served.Claims());
        Lock gate = new();
        Draws draws = new(served.Owners);
        return Compare(
            LongSliceNs,
            new("ours", () => Sum(draws, owner => served.Registry.TryGetEntry(owner, out PortEntry entry) && entry.Owner.Length > 0 ? entry.Port : 0), Lookups),
            new("ConcurrentDictionary", () => Sum(draws, owner => claims.TryGetValue(owner, out BookClaim? claim) && claim.Owner.Length > 0 ? claim.Port : 0), Lookups),
            new("lock + Dictionary", () => Sum(draws, Locked), Lookups));

        int Locked(string owner)
        {
            lock (gate)
            {
                return dictionary.TryGetValue(owner, out BookClaim? claim) && claim.Owner.Length > 0 ? claim.Port : 0;
            }
        }
    }

    private static QuickRow SnapshotOfMany()
    {
        const int Owners = 16_000;
        using Served served = new(Owners);

        // In an order of no meaning, as owners come: what is sorted already costs a sort nothing.
        PortEntry[] asTheyCame = [.. served.Registry.Snapshot().Entries];
        new Random(20_261_129).Shuffle(asTheyCame);
        Dictionary<string, PortEntry> entries = asTheyCame.ToDictionary(entry => entry.Owner);
        Lock gate = new();
        return Compare(
            20_000_000,
            new("ours", () => Check(served.Registry.Snapshot().Entries.Length), 1),
            new("lock + copy + sort", () => Check(Copied()), 1));

        int Copied()
        {
            PortEntry[] copy;
            lock (gate)
            {
                copy = [.. entries.Values];
            }

            Array.Sort(copy, static (a, b) => a.Port.CompareTo(b.Port));
            return copy.Length;
        }

        static void Check(int count)
        {
            if (count != Owners)
            {
                throw new InvalidOperationException($"{count} entries.");
            }
        }
    }

    private static QuickRow Compare(long sliceNs, params ReadOnlySpan<Contestant> contestants)
    {
        Standing[] standings = Turns.Measure(static () => ThreadClock.NowNs, sliceNs, sliceNs > SliceNs ? Rounds / 2 : Rounds, contestants);
        long before = GC.GetAllocatedBytesForCurrentThread();
        contestants[0].Run();
        return new QuickRow(standings, (double)(GC.GetAllocatedBytesForCurrentThread() - before) / contestants[0].Operations);
    }

    private static Contestant Churn(string name, IPortBook book) => new(name, () => Books.Churn(book, OwnerNames.One, Pairs), Pairs);

    private static void ChurnInTurn(PortRegistry registry, PortRequest[] requests)
    {
        foreach (PortRequest request in requests)
        {
            Books.Churn(registry, request, 1);
        }
    }

    private static Action ChurnInTurn(IPortBook book, string[] owners) => () =>
    {
        foreach (string owner in owners)
        {
            Books.Churn(book, owner, 1);
        }
    };

    /// <summary>Asks for owners in random order; each of them is there.</summary>
    private static void Sum(Draws draws, Func<string, int> portOf)
    {
        foreach (string owner in draws.Next())
        {
            if (portOf(owner) < FirstPort)
            {
                throw new InvalidOperationException($"{owner} was not found.");
            }
        }
    }

    private sealed class Draws(string[] owners)
    {
        private readonly string[] _draws = OwnerNames.Draw(owners);
        private int _at;

        public ReadOnlySpan<string> Next() => _draws.AsSpan(_at = (_at + Lookups) & (OwnerNames.Draws - 1), Lookups);
    }

    /// <summary>A registry with so many owners, each on a port of its own.</summary>
    private sealed class Served : IDisposable
    {
        public Served(int owners)
        {
            Owners = OwnerNames.Make(owners);
            Registry = new PortRegistry(new PortRegistryOptions { Probe = false, LivenessInterval = TimeSpan.FromHours(1) });
            PortSession session = Registry.OpenSession(Environment.ProcessId);
            for (int i = 0; i < owners; i++)
            {
                if (!session.TryRegister(new PortClaimRequest(Owners[i], FirstPort + i), out _, out PortRefusal? refusal))
                {
                    throw new InvalidOperationException(refusal.ToString());
                }
            }

            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
        }

        public string[] Owners { get; }

        public PortRegistry Registry { get; }

        public IEnumerable<KeyValuePair<string, BookClaim>> Claims() =>
            Owners.Select((owner, i) => KeyValuePair.Create(owner, new BookClaim(owner, FirstPort + i, i, 0) { IsOpen = true }));

        public void Dispose() => Registry.Dispose();
    }
}
