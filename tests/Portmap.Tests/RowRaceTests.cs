using System.Globalization;
using Portmap.Tests.Support;

namespace Portmap.Tests;

/// <summary>Callers that want overlapping rows and the same owners at once: none waits, and nothing
/// is given twice or left behind.</summary>
public sealed class RowRaceTests
{
    private const int Threads = 4, Rounds = 400;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TryAcquireAll_OverlappingRowsAtOnce_EachIsWholeOrRefusedForAReason(bool sameOwners)
    {
        await using Scene scene = new("20000-20019", options => options.ReuseDelay = TimeSpan.Zero);
        int[] held = new int[20];
        int granted = 0;
        using Barrier start = new(Threads);
        Task[] callers = [.. Enumerable.Range(0, Threads).Select(caller => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                for (int round = 0; round < Rounds; round++)
                {
                    // Of the same owners each takes them in an order of its own.
                    PortRequest[] row = [.. Enumerable.Range(0, 6).Select(i => new PortRequest(string.Create(CultureInfo.InvariantCulture, $"{(sameOwners ? 0 : caller)}/{(i + caller) % 6}")))];
                    if (!scene.Registry.TryAcquireAll(row, contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal))
                    {
                        refusal.Reason.Should().BeOneOf(PortRefusalReason.AlreadyReserved, PortRefusalReason.Exhausted, PortRefusalReason.Contended);
                        continue;
                    }

                    Interlocked.Increment(ref granted);
                    leases.Select(lease => lease.Port).Should().Equal(Enumerable.Range(leases[0].Port, 6));
                    foreach (PortLease lease in leases)
                    {
                        Interlocked.Increment(ref held[lease.Port - Scene.First]).Should().Be(1, "{0} is held by one", lease.Port);
                    }

                    foreach (PortLease lease in leases)
                    {
                        Interlocked.Decrement(ref held[lease.Port - Scene.First]);
                        lease.TryRelease(out _).Should().BeTrue();
                    }
                }
            },
            TaskCreationOptions.LongRunning))];
        await Task.WhenAll(callers).Within();

        granted.Should().BeGreaterThan(Rounds / 4);
        scene.Registry.AssertInvariants();
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
        scene.Registry.TryAcquireAll([.. Enumerable.Range(0, 20).Select(i => new PortRequest(string.Create(CultureInfo.InvariantCulture, $"all/{i}")))], contiguous: true, out _, out PortRefusal? left).Should().BeTrue("{0}", left?.Message);
    }

    [Fact]
    public async Task TryAcquireAll_BesideSingleAcquisitionsOfItsOwners_NoneIsLostOrGivenTwice()
    {
        await using Scene scene = new("20000-20019", options => options.ReuseDelay = TimeSpan.Zero);
        PortRequest[] row = ["a", "b", "c"];
        using Barrier start = new(2);
        int single = 0, together = 0;
        Task[] callers =
        [
            Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    for (int round = 0; round < Rounds; round++)
                    {
                        if (scene.Registry.TryAcquire("b", out PortLease? lease, out _))
                        {
                            single++;
                            lease.TryRelease(out _).Should().BeTrue();
                        }
                    }
                },
                TaskCreationOptions.LongRunning),
            Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    for (int round = 0; round < Rounds; round++)
                    {
                        if (scene.Registry.TryAcquireAll(row, contiguous: true, out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal))
                        {
                            together++;
                            leases.All(lease => lease.TryRelease(out _)).Should().BeTrue();
                        }
                        else
                        {
                            refusal.Reason.Should().BeOneOf(PortRefusalReason.AlreadyReserved, PortRefusalReason.Contended);
                        }
                    }
                },
                TaskCreationOptions.LongRunning),
        ];
        await Task.WhenAll(callers).Within();

        (single + together).Should().BeGreaterThan(Rounds / 2);
        scene.Registry.AssertInvariants();
        scene.Registry.Snapshot().Entries.Should().BeEmpty();
    }
}
