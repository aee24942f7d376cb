using Microsoft.Extensions.Time.Testing;

namespace Portmap.Concurrency.Tests;

/// <summary>Many threads on few ports, then an audit from outside and the conservation law. No sockets: the table is what is tested.</summary>
public class RegistryStressTests
{
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

                    newest = entry.Epoch;
                }
            }

            return null;
        });

        await ReplacementReader.CountGapsAsync(book, replacements: 10_000);
        Volatile.Write(ref done, 1);

        (await reader.Within()).Should().BeNull();
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
}
