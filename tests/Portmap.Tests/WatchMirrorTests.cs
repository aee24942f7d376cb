using System.Collections.Immutable;
using System.Globalization;
using Portmap.Tests.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Changes alone are enough to keep a mirror of the map.</summary>
/// <remarks>Which seeds are played: <see cref="Seeds"/>.</remarks>
public class WatchMirrorTests
{
    private static readonly string[] s_owners = ["a", "b", "c", "d"];

    [Fact]
    public async Task Mirror_SecondLeaseOfARegisteredOwnerIsReleased_KeepsTheRegistration()
    {
        await using Scene scene = new();
        await using WatchReader watch = WatchReader.FromNow(scene.Registry);
        WatchMirror mirror = new();
        scene.Here.Register("b1", 20_001);
        PortLease second = scene.Acquire("b1");
        second.TryRelease(out _).Should().BeTrue();
        for (int i = 0; i < 3; i++)
        {
            mirror.Apply(await watch.NextAsync());
        }

        mirror.Current(PortProtocol.Tcp, "b1")!.Value.Should().BeEquivalentTo(new { Port = 20_001, State = PortState.Bound });
    }

    [Fact]
    public Task Mirror_AnyHistory_AgreesWithTheSnapshotAfterEachOperation() => Seeds.ForEachAsync(PlayHistoryAsync, [1, 2, 3]);

    [Fact]
    public Task Mirror_ManyThreads_AgreesWithTheSnapshotWhenTheyRest() => Seeds.ForEachAsync(PlayThreadsAsync, [1]);

    [Fact]
    public async Task Mirror_RestartedRegistry_StartsFromRecoveredAndFollowsTheSignIns()
    {
        await using StoreScene scene = await StoreScene.OpenAsync();
        await scene.RegisterAsync("back", 20_001);
        await scene.RegisterAsync("away", 20_002, session: scene.Registry.OpenSession(null));
        await scene.KillAndOpenAsync();
        WatchMirror mirror = new();
        (ImmutableArray<PortEntry> entries, long revision) = scene.Registry.Snapshot();
        mirror.Start(entries);
        mirror.Claims.Should().HaveCount(2).And.OnlyContain(entry => entry.State == PortState.Recovered);
        await using WatchReader watch = WatchReader.After(scene.Registry, revision);
        await scene.RegisterAsync("back", 20_001);
        await CatchUpAsync(scene.Registry, watch, mirror, revision);
        Compare(scene.Registry, mirror, "signed in");
        mirror.Current(PortProtocol.Tcp, "back")!.Value.Should().BeEquivalentTo(new { Port = 20_001, State = PortState.Bound });
    }

    private static async Task PlayHistoryAsync(int seed)
    {
        Random random = new(seed);
        await using Scene scene = new("20000-20005", options => (options.LeaseTimeout, options.ReuseDelay) = (TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(20)));
        await using History history = new(scene, random);
        WatchMirror mirror = new();
        (ImmutableArray<PortEntry> entries, long revision) = scene.Registry.Snapshot();
        mirror.Start(entries);
        await using WatchReader watch = WatchReader.After(scene.Registry, revision);
        for (int step = 0; step < 400; step++)
        {
            string what = await history.StepAsync();
            revision = await CatchUpAsync(scene.Registry, watch, mirror, revision);
            Compare(scene.Registry, mirror, FormattableString.Invariant($"step {step}: {what}"));
        }
    }

    private static async Task PlayThreadsAsync(int seed)
    {
        await using Scene scene = new("20000-20005", options => options.WatchCapacity = 1 << 17);
        WatchMirror mirror = new();
        (ImmutableArray<PortEntry> entries, long revision) = scene.Registry.Snapshot();
        mirror.Start(entries);
        await using WatchReader watch = WatchReader.After(scene.Registry, revision);
        for (int round = 0; round < 10; round++)
        {
            int first = seed + (round * 10);
            await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(() => Churn(scene.Registry, new Random(first + thread), 300)))).Within();
            revision = await CatchUpAsync(scene.Registry, watch, mirror, revision);
            Compare(scene.Registry, mirror, FormattableString.Invariant($"round {round}"));
        }
    }

    private static void Compare(PortRegistry registry, WatchMirror mirror, string when)
    {
        registry.Snapshot().Entries.Where(WatchMirror.IsClaim).Select(Text).Should().BeEquivalentTo(mirror.Claims.Select(Text), "{0}", when);
        foreach (string owner in s_owners)
        {
            foreach (PortProtocol protocol in (PortProtocol[])[PortProtocol.Tcp, PortProtocol.Udp])
            {
                PortEntry? looked = registry.TryGetEntry(owner, out PortEntry entry, protocol) ? entry : null;
                (looked is { } found ? Text(found) : "none").Should().Be(mirror.Current(protocol, owner) is { } kept ? Text(kept) : "none", "of {0}/{1}: {2}", owner, protocol, when);
            }
        }

        static string Text(PortEntry entry) => string.Create(
            CultureInfo.InvariantCulture, $"{entry.Protocol} {entry.Owner} {entry.Port} {entry.State} {entry.Epoch} {entry.ProcessId} {entry.Guarantee}");
    }

    /// <summary>Reads every change up to now.</summary>
    private static async Task<long> CatchUpAsync(PortRegistry registry, WatchReader watch, WatchMirror mirror, long revision)
    {
        long newest = registry.Snapshot().Revision;
        while (revision < newest)
        {
            PortChange change = await watch.NextAsync();
            revision = change.Revision;
            mirror.Apply(change);
        }

        return revision;
    }

    private static void Churn(PortRegistry registry, Random random, int steps)
    {
        PortSession session = registry.OpenSession(random.Next(2) == 0 ? null : Environment.ProcessId);
        for (int i = 0; i < steps; i++)
        {
            string owner = s_owners[random.Next(s_owners.Length)];
            switch (random.Next(5))
            {
                case 0:
                    if (registry.TryAcquire(owner, out PortLease? lease, out _) && random.Next(2) == 0)
                    {
                        session.TryRegister(new PortClaimRequest(owner, lease.Port) { Epoch = lease.Epoch }, out _, out _);
                    }

                    break;
                case 1:
                    session.TryRegister(new PortClaimRequest(owner, 20_000 + random.Next(7)), out _, out _);
                    break;
                case 2:
                    if (registry.TryAcquire(owner, out PortLease? released, out _))
                    {
                        released.OpenGate();
                        released.TryRelease(out _);
                    }

                    break;
                case 3:
                    session = registry.OpenSession(Environment.ProcessId);   // what it has goes on over another session
                    break;
                default:
                    session.TryRelease(owner, out _);
                    break;
            }
        }
    }

    /// <summary>Random operations of few owners, ports and processes.</summary>
    private sealed class History(Scene scene, Random random) : IAsyncDisposable
    {
        private readonly List<PortLease> _leases = [];
        private readonly List<PortSession> _sessions = [];
        private Child? _child;

        public async Task<string> StepAsync()
        {
            string owner = s_owners[random.Next(s_owners.Length)];
            PortProtocol one = random.Next(3) == 0 ? PortProtocol.Udp : PortProtocol.Tcp;
            int port = 20_000 + random.Next(8);
            switch (random.Next(11))
            {
                case 0 or 1:
                    PortProtocol protocol = random.Next(4) == 0 ? PortProtocol.TcpAndUdp : one;
                    string strategy = random.Next(2) == 0 ? "ProcessBinds" : "AllocatorPicks";
                    if (scene.Registry.TryAcquire(new PortRequest(owner) { Protocol = protocol, Strategy = strategy, Reuse = (PortReuse)random.Next(3) }, out PortLease? lease, out _))
                    {
                        _leases.Add(lease);
                    }

                    return $"acquire {owner} {protocol} {strategy}";
                case 2 or 3 when Lease() is { } mine:
                    Session().TryRegister(new PortClaimRequest(mine.Owner, mine.Port == 0 ? port : mine.Port) { Epoch = mine.Epoch, Protocol = mine.Protocol == PortProtocol.TcpAndUdp ? one : mine.Protocol }, out _, out _);
                    return $"register the lease of {mine.Owner}";
                case 4:
                    Session().TryRegister(new PortClaimRequest(owner, port) { Protocol = one }, out _, out _);
                    return FormattableString.Invariant($"register {owner} on {port}");
                case 5:
                    Session().TryRelease(new PortClaimRequest(owner) { Protocol = one }, out _);
                    return $"release {owner}";
                case 6 when Lease() is { } given:
                    given.TryRelease(out _);
                    return $"release the lease of {given.Owner}";
                case 7 when Lease() is { } failed:
                    failed.OpenGate();
                    try
                    {
                        await failed.ReportBindFailureAsync().AsTask().Within();
                    }
                    catch (PortRefusedException)
                    {
                        // It was over.
                    }

                    return $"bind failure of {failed.Owner}";
                case 8 when _sessions.Count > 0:
                    int at = random.Next(_sessions.Count);
                    await _sessions[at].DisposeAsync();
                    _sessions.RemoveAt(at);
                    return "hang up";
                case 9:
                    _child?.Kill();
                    _child?.Dispose();
                    _child = null;
                    scene.Clock.Advance(TimeSpan.FromSeconds(1));   // the next pass tells of it; lookups may have stopped before
                    return "die";
                default:
                    int seconds = random.Next(1, 15);
                    for (int second = 0; second < seconds; second++)
                    {
                        scene.Clock.Advance(TimeSpan.FromSeconds(1));
                    }

                    return FormattableString.Invariant($"{seconds} s");
            }
        }

        public ValueTask DisposeAsync()
        {
            _child?.Dispose();
            return ValueTask.CompletedTask;
        }

        private PortLease? Lease() => _leases.Count == 0 ? null : _leases[random.Next(_leases.Count)];

        /// <summary>One of this process, of one nothing is known about, or of a child that may die;
        /// an old one or a new one.</summary>
        private PortSession Session()
        {
            if (_sessions.Count > 0 && random.Next(3) != 0)
            {
                return _sessions[random.Next(_sessions.Count)];
            }

            int? id = random.Next(3) switch
            {
                0 => null,
                1 => Environment.ProcessId,
                _ => (_child ??= Child.Start()).Id,
            };
            PortSession session = scene.Registry.OpenSession(id);
            _sessions.Add(session);
            return session;
        }
    }
}
