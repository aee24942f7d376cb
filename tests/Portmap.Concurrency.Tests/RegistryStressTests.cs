using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;
using Portmap.Concurrency.Tests.Audit;

namespace Portmap.Concurrency.Tests;

/// <summary>Many threads on few ports, then an audit from outside and the conservation law. No
/// sockets: the table is what is tested.</summary>
/// <remarks>Which seeds are played: <see cref="Seeds"/>.</remarks>
public class RegistryStressTests
{
    [Fact]
    public Task Registry_ManyThreads_KeepsItsPromises() => Seeds.ForEachAsync(
        async seed =>
        {
            await using RegistryBook book = new(Options(), new FakeTimeProvider());

            await new StressPlan(seed).RunAsync(book);

            (await PortBookAudit.FindFaultsAsync(book, StressPlan.Owners)).Should().BeEmpty();
        },
        [1, 2]);

    [Theory]
    [InlineData(PortOrder.NextFit, 2)]
    [InlineData(PortOrder.NextFit, 8)]
    [InlineData(PortOrder.Random, 2)]
    [InlineData(PortOrder.Random, 8)]
    [InlineData(PortOrder.LowestFree, 2)]
    [InlineData(PortOrder.LowestFree, 8)]
    public Task Registry_EveryStrategyAndOrder_KeepsItsPromises(PortOrder order, int threads) => Seeds.ForEachAsync(
        async seed =>
        {
            // The plan acquires by both strategies; the order is that of the one that picks.
            PortRegistryOptions options = Options();
            options.Order = order;
            await using RegistryBook book = new(options, new FakeTimeProvider());

            await new StressPlan(seed, threads, OperationsPerThread: 12_000 / threads).RunAsync(book);

            (await PortBookAudit.FindFaultsAsync(book, StressPlan.Owners)).Should().BeEmpty();
        },
        [1]);

    [Fact]
    public Task Registry_ProcessesDieAndLeasesExpireMeanwhile_KeepsItsPromises() => Seeds.ForEachAsync(PlayWithDeathsAsync, [4]);

    [Fact]
    public async Task Registry_OwnerMoves_ReadersSeeOldOrNewNeverNeither()
    {
        await using RegistryBook book = new(Options(), new FakeTimeProvider());

        (await ReplacementReader.CountGapsAsync(book, replacements: 20_000)).Should().Be(0);
    }

    [Fact]
    public async Task Registry_OwnerMoves_TheOldClaimNeverComesBack()
    {
        await using RegistryBook book = new(Options(), new FakeTimeProvider());
        PortRegistry registry = book.Registry;
        int done = 0;
        Task<string?> reader = Task.Run(() =>
        {
            long newest = 0;
            while (Volatile.Read(ref done) == 0)
            {
                if (registry.TryGetEntry(ReplacementReader.Owner, out PortEntry entry) && entry.State == PortState.Bound)
                {
                    if (entry.Epoch < newest)
                    {
                        return $"epoch {entry.Epoch} came after {newest}";
                    }

                    newest = entry.Epoch!.Value;
                }
            }

            return null;
        });

        await ReplacementReader.CountGapsAsync(book, replacements: 10_000);
        Volatile.Write(ref done, 1);

        (await reader.Within()).Should().BeNull();
    }

    private static async Task PlayWithDeathsAsync(int seed)
    {
        PortRegistryOptions options = Options();
        options.LeaseTimeout = TimeSpan.FromMilliseconds(100);
        options.LivenessInterval = TimeSpan.FromMilliseconds(50);
        options.ReuseDelay = TimeSpan.FromMilliseconds(5);
        await using RegistryBook book = new(options, TimeProvider.System);

        Task stress = new StressPlan(seed).RunAsync(book);
        List<Process> dead = [];
        do
        {
            Process child = Children.Start();
            PortSession session = book.Registry.OpenSession(child.Id);
            session.TryRegister(new PortClaimRequest(StressPlan.Owners[0], StressPlan.FirstPort), out _, out _);
            session.TryRegister(new PortClaimRequest("mortal", StressPlan.FirstPort + StressPlan.Ports), out _, out _);
            child.Kill();
            dead.Add(child);
            await session.DisposeAsync();
        }
        while (!stress.IsCompleted);

        await stress;
        await RegistryComesToRestAsync(book, dead);
        (await PortBookAudit.FindFaultsAsync(book, StressPlan.Owners)).Should().BeEmpty();
    }

    private static PortRegistryOptions Options() => new()
    {
        Ports = new PortRange(StressPlan.FirstPort, StressPlan.FirstPort + StressPlan.Ports - 1).ToString(),
        Probe = false,
        ReuseDelay = TimeSpan.Zero,
        ForeignRecheck = TimeSpan.FromMilliseconds(100),
        LivenessInterval = TimeSpan.FromHours(1),
        BindAttempts = 1000,
        WatchCapacity = 1_048_576, // nothing of the history may be lost
    };

    /// <summary>Waits until no open lease and no entry of a dead process is left; only the time of
    /// the registry brings that about.</summary>
    private static async Task RegistryComesToRestAsync(RegistryBook book, List<Process> dead)
    {
        HashSet<int> ids = [.. dead.Select(process => process.Id)];
        using CancellationTokenSource limit = Deadline.Source();
        while (book.Holdings().Any(holding => !holding.IsBound || ids.Contains(holding.Process)))
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        dead.ForEach(process => process.Dispose());
    }
}
