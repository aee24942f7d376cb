using System.Globalization;
using Portmap.Persistence;
using Portmap.TestKit.Crashes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>The registry, and not its store alone, over a disk on which one operation after the
/// other fails, tears, is killed or loses the power.</summary>
/// <remarks>What was acknowledged is there at the next opening. What failed changed nothing, and is
/// not there later either, but for the registration of a lease, whose fact may be on the disk, and
/// for the number of a registration that was told again; what ended has ended. Which seeds are
/// played: <see cref="Seeds"/>.</remarks>
public sealed class RegistryOverFaultsTests
{
    private const int Steps = 25, AllowedLength = 2_048;

    [Theory]
    [InlineData(DiskFault.Fails)]
    [InlineData(DiskFault.Tears)]
    [InlineData(DiskFault.Killed)]
    [InlineData(DiskFault.PowerLost)]
    internal async Task AnyOperation_Struck_LosesNothingThatWasAcknowledged(DiskFault fault)
    {
        using Child one = Child.Start(), other = Child.Start();
        int[] processes = [one.Id, other.Id];
        await Seeds.ForEachAsync(
            async seed =>
            {
                int operations = await PlayAsync(0, DiskFault.None, seed, processes);
                operations.Should().BeGreaterThan(Steps);
                for (int at = 1; at <= operations; at++)
                {
                    await PlayAsync(at, fault, seed, processes);
                }
            },
            [1]);
    }

    [Fact]
    public async Task ADiskThatDoesNotSync_IsCaught()
    {
        using Child one = Child.Start(), other = Child.Start();
        bool isCaught = false;
        for (int run = 0; run < 50 && !isCaught; run++)
        {
            try
            {
                await PlayAsync(60 + run, DiskFault.PowerLost, run, [one.Id, other.Id], DiskOperation.SyncFile);
            }
            catch (InvalidOperationException)
            {
                await PlayAsync(60 + run, DiskFault.PowerLost, run, [one.Id, other.Id]);   // which the same run on an honest disk is not
                isCaught = true;
            }
        }

        isCaught.Should().BeTrue();
    }

    private static async Task<int> PlayAsync(int at, DiskFault fault, int seed, int[] processes, DiskOperation? lie = null)
    {
        List<string> said = [];
        try
        {
            using SimulatedDisk disk = new(seed) { FaultAt = at, Fault = fault, LiesAbout = lie };
            return await PlayAsync(disk, new Random(seed), processes, said);
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"operation {at} {fault}, seed {seed}: {exception.Message}\n{string.Join('\n', said)}"), exception);
        }
    }

    private static async Task<int> PlayAsync(SimulatedDisk disk, Random random, int[] processes, List<string> said)
    {
        FakeTimeProvider clock = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        CrashBook book = new();
        Guid boot = Guid.NewGuid();
        PortRegistry? registry = await OpenAsync();
        CrashMix? mix = registry is null ? null : Mix(registry);
        for (int step = 0; step < Steps && !disk.IsGone; step++)
        {
            try
            {
                await mix!.StepAsync(random).Within();
            }
            catch (PortRefusedException refused) when (refused.Refusal.Reason == PortRefusalReason.StoreFailed)
            {
                if (!disk.IsGone && await WorksAgainAsync(registry!))
                {
                    registry!.AssertInvariants();
                    said.Add("  the store works again");
                    book.Check([.. registry.Snapshot().Entries], "after a failure", isRunning: true);
                    mix = Mix(registry);
                }
            }
        }

        int operations = disk.Operations;
        if (!disk.IsGone)
        {
            await registry!.DisposeAsync().AsTask().Within();
            disk.LosePower();   // whatever was acknowledged must survive that too
        }

        disk.Restart();
        if (registry is not null)
        {
            await registry.DisposeAsync().AsTask().Within();   // of a process that is gone: its hand is off the disk
        }

        await using PortRegistry next = (await OpenAsync())!;
        next.AssertInvariants();
        book.Check([.. next.Snapshot().Entries], "opened again");
        return operations;

        CrashMix Mix(PortRegistry on) => new(on, 0, processes, lines => Array.ForEach(lines.Split('\n', StringSplitOptions.RemoveEmptyEntries), line =>
        {
            said.Add(line);
            book.Note(line);
        }));

        async Task<PortRegistry?> OpenAsync()
        {
            PortRegistryOptions options = new() { Ports = "41000-41007", Probe = false, ReuseDelay = TimeSpan.Zero, LeaseTimeout = TimeSpan.FromHours(24) };
            for (int attempt = 1; !disk.IsGone; attempt++)
            {
                try
                {
                    return await PortRegistry.OpenOnAsync(options, new FilePortStore(disk.Folder(), clock, AllowedLength), boot, logger: null, clock, CancellationToken.None).Within();
                }
                catch (PortRefusedException refused) when (refused.Refusal.Reason == PortRefusalReason.StoreFailed)
                {
                    attempt.Should().Be(1, "the disk fails once: {0}", refused.Message);
                }
            }

            return null;
        }

        async Task<bool> WorksAgainAsync(PortRegistry failing)
        {
            for (int attempt = 0; attempt < 3 && !disk.IsGone; attempt++)
            {
                await failing.FlushAsync().Within();
                if (failing.Parts.Journal is { IsFailing: false, IsIdle: true })
                {
                    return true;
                }
            }

            disk.IsGone.Should().BeTrue("the disk fails once, so that the next batch is written");
            return false;
        }
    }
}
