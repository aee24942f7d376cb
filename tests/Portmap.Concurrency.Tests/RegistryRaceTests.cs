using Microsoft.Extensions.Time.Testing;

namespace Portmap.Concurrency.Tests;

/// <summary>Small races with one right answer, run many times.</summary>
public sealed class RegistryRaceTests : IDisposable
{
    private const int Rounds = 500;
    private const int Racers = 4;
    private const int First = 20000;

    private readonly Children _children = new(Racers - 1);
    private readonly PortRegistry _registry;
    private readonly PortSession[] _processes;

    public RegistryRaceTests()
    {
        PortRegistryOptions options = new()
        {
            Ports = "20000-20009",
            Strategy = PortRegistryOptions.AllocatorPicks,
            Probe = false,
            ReuseDelay = TimeSpan.Zero,
            LivenessInterval = TimeSpan.FromHours(1),
        };
        _registry = new PortRegistry(options, null, new FakeTimeProvider());
        _processes = [_registry.OpenSession(Environment.ProcessId), .. _children.Ids.Select(id => _registry.OpenSession(id))];
    }

    public void Dispose()
    {
        _registry.Dispose();
        _children.Dispose();
    }

    [Fact]
    public async Task Acquire_OneOwnerByManyThreads_IsGrantedOnce() =>
        // Gluster 32c26777d4: the same brick started twice in a race.
        await Race.RunAsync<(PortLease? lease, PortRefusal? refusal)>(
            Racers,
            Rounds,
            (round, racer) => _registry.TryAcquire("b1", out PortLease? lease, out PortRefusal? refusal) ? (lease, null) : (null, refusal),
            (round, results) =>
            {
                results.Where(result => result.refusal is not null).Should().HaveCount(Racers - 1)
                    .And.OnlyContain(result => result.refusal!.Reason == PortRefusalReason.AlreadyReserved);
                _registry.Snapshot().Entries.Should().ContainSingle();
                results.Single(result => result.lease is not null).lease!.TryRelease(out _).Should().BeTrue();
            });

    [Fact]
    public async Task Register_OnePortByManyProcesses_IsHeldByOne() =>
        await Race.RunAsync(
            Racers,
            Rounds,
            (round, racer) => _processes[racer].TryRegister(new PortClaimRequest(OwnerOf(racer), First), out _, out PortRefusal? refusal) ? null : refusal,
            (round, refusals) =>
            {
                int winner = Array.IndexOf(refusals, null);
                refusals.Count(refusal => refusal?.Reason == PortRefusalReason.Conflict).Should().Be(Racers - 1);
                _registry.EnumerateOwners(First).Should().ContainSingle().Which.Owner.Should().Be(OwnerOf(winner));
                _registry.Snapshot().Entries.Should().ContainSingle();
                _processes[winner].TryRelease(OwnerOf(winner), out _).Should().BeTrue();
            });

    [Fact]
    public async Task Register_OneOwnerByManyProcesses_IsHeldByOne() =>
        await Race.RunAsync(
            Racers,
            Rounds,
            (round, racer) => _processes[racer].TryRegister(new PortClaimRequest("b1", First + racer), out _, out PortRefusal? refusal) ? null : refusal,
            (round, refusals) =>
            {
                int winner = Array.IndexOf(refusals, null);
                refusals.Count(refusal => refusal?.Reason == PortRefusalReason.Conflict).Should().Be(Racers - 1);
                _registry.TryGetPort("b1", out int port).Should().BeTrue();
                port.Should().Be(First + winner);
                _registry.Snapshot().Entries.Should().ContainSingle("the losers leave nothing behind");
                _processes[winner].TryRelease("b1", out _).Should().BeTrue();
            });

    [Fact]
    public async Task Register_ManyOwnersOfOneProcess_ShareThePortAndLeaveIt() =>
        await Race.RunAsync(
            Racers,
            Rounds * 2,
            (round, racer) => round % 2 == 0
                ? _processes[0].TryRegister(new PortClaimRequest(OwnerOf(racer), First), out _, out _)
                : _processes[0].TryRelease(OwnerOf(racer), out _),
            (round, results) =>
            {
                results.Should().OnlyContain(done => done);
                _registry.EnumerateOwners(First).Should().HaveCount(round % 2 == 0 ? Racers : 0);
                _registry.TryGetEntry(First, out PortEntry entry).Should().Be(round % 2 == 0);
                entry.OwnerCount.Should().Be(round % 2 == 0 ? Racers : 0);
            });

    [Fact]
    public async Task Acquire_WhileAProcessTakesThePort_TheProcessWins()
    {
        PortLease?[] leases = new PortLease?[Rounds];
        await Race.RunAsync(
            2,
            Rounds,
            (round, racer) => racer == 0
                ? _registry.TryAcquire(new PortRequest("lease") { Previous = First, Reuse = PortReuse.Require }, out leases[round], out _)
                : _processes[1].TryRegister(new PortClaimRequest("process", First), out _, out _),
            (round, results) =>
            {
                results[1].Should().BeTrue("a reservation never refuses a process that listens");
                _registry.TryGetPort("process", out int port).Should().BeTrue();
                port.Should().Be(First);
                _registry.Snapshot().Entries.Should().ContainSingle();
                if (results[0])
                {
                    leases[round]!.WhenBound.Exception!.InnerException.Should().BeOfType<PortRefusedException>()
                        .Which.Refusal.Reason.Should().Be(PortRefusalReason.Taken);
                }

                _processes[1].TryRelease("process", out _).Should().BeTrue();
            });
    }

    [Fact]
    public async Task Release_WhileANewerClaimReplaces_NeverEndsTheNewer()
    {
        PortLease? next = null;
        await Race.RunAsync(
            2,
            Rounds * 2,
            (round, racer) =>
            {
                if (round % 2 == 0)
                {
                    // Sets the scene for the race of the odd round.
                    return racer == 1 || (_processes[0].TryRegister(new PortClaimRequest("b1", First + 9), out _, out _)
                        && _registry.TryAcquire(new PortRequest("b1") { Previous = First + 1, Reuse = PortReuse.Require }, out next, out _));
                }

                return racer == 0
                    ? _processes[0].TryRelease("b1", out _) | true
                    : _processes[1].TryRegister(new PortClaimRequest("b1", next!.Port) { Epoch = next.Epoch }, out _, out _);
            },
            (round, results) =>
            {
                results.Should().OnlyContain(done => done);
                if (round % 2 == 1)
                {
                    _registry.TryGetPort("b1", out int port).Should().BeTrue();
                    port.Should().Be(next!.Port);
                    _registry.Snapshot().Entries.Should().ContainSingle();
                    _processes[1].TryRelease("b1", out _).Should().BeTrue();
                }
            });
    }

    [Fact]
    public async Task ReleaseLease_WhileItsProcessRegisters_LeavesNothingBound()
    {
        PortLease? lease = null;
        await Race.RunAsync(
            2,
            Rounds * 2,
            (round, racer) =>
            {
                if (round % 2 == 0)
                {
                    return racer == 1 || _registry.TryAcquire("b1", out lease, out _);
                }

                return racer == 0
                    ? lease!.TryRelease(out _)
                    : _processes[1].TryRegister(new PortClaimRequest("b1", lease!.Port) { Epoch = lease.Epoch }, out _, out PortRefusal? refusal) || refusal.Reason == PortRefusalReason.Stale;
            },
            (round, results) =>
            {
                results.Should().OnlyContain(done => done);
                if (round % 2 == 1)
                {
                    _registry.Snapshot().Entries.Should().BeEmpty();
                    lease!.WhenBound.IsCompleted.Should().BeTrue();
                }
            });
    }

    private static string OwnerOf(int racer) => FormattableString.Invariant($"owner{racer}");
}
