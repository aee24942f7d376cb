using System.Globalization;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A whole scenario over the simulated disk, once for each operation that can fail, tear,
/// be killed or lose the power.</summary>
/// <remarks>Which seeds are played: <see cref="Seeds"/>. A failure names operation, fault and seed,
/// which are the row to add to <see cref="AnOperation_ThatOnceLostAFact_LosesNothing"/>.</remarks>
public class StoreCrashTests
{
    [Theory]
    [InlineData(DiskFault.Fails)]
    [InlineData(DiskFault.Tears)]
    [InlineData(DiskFault.Killed)]
    [InlineData(DiskFault.PowerLost)]
    internal Task AnyOperation_Struck_LosesNothingThatWasConfirmed(DiskFault fault) => Seeds.ForEachAsync(
        async seed =>
        {
            int operations = await RunAsync(0, DiskFault.None, seed);
            operations.Should().BeGreaterThan(100);
            for (int at = 1; at <= operations; at++)
            {
                await RunAsync(at, fault, seed + at);
            }
        },
        [1, 2_057_000]);

    [Theory]
    [InlineData(210, DiskFault.Tears, 2_057_210)]   // the folder's sync fails after the rename of a compaction; closed, opened, appended, power lost
    internal Task AnOperation_ThatOnceLostAFact_LosesNothing(int at, DiskFault fault, int seed) => RunAsync(at, fault, seed);

    [Theory]
    [InlineData(DiskOperation.SyncFile, FilePortStore.FileName, false)]
    [InlineData(DiskOperation.SyncFile, FilePortStore.FileName, true)]
    [InlineData(DiskOperation.SyncFile, FilePortStore.NextName, false)]
    [InlineData(DiskOperation.SyncFile, FilePortStore.NextName, true)]
    [InlineData(DiskOperation.Rename, FilePortStore.FileName, false)]
    [InlineData(DiskOperation.Rename, FilePortStore.FileName, true)]
    [InlineData(DiskOperation.SyncFolder, "", false)]
    [InlineData(DiskOperation.SyncFolder, "", true)]
    internal async Task ASyncThatFailed_BeforeTheStateWasOpenedAgain_IsNotForgotten(DiskOperation failing, string name, bool isKilled)
    {
        // The disk decides at random what a power loss leaves: with so many seeds every outcome
        // comes several times.
        await Seeds.ForEachAsync(
            async seed =>
            {
                using var disk = new SimulatedDisk(seed);
                await using var scenario = new StoreScenario(disk);
                await scenario.OpenAsync();
                await scenario.AppendAsync(FactGen.Bound("before", 50_000, 16));
                await scenario.CloseAsync();
                await scenario.OpenAsync();   // now the disk knows the file by its own name, not by the one it was made under
                disk.FailsNext(failing, name, tears: true);
                for (int i = 1; disk.WillFail; i++)
                {
                    i.Should().BeLessThan(100, "a compaction must have come by");
                    await scenario.TryAppendAsync(FactGen.Bound("before", 50_000, 16 * (i + 1)));
                }

                if (isKilled)
                {
                    disk.Restart();
                }
                else
                {
                    await scenario.CloseAsync();
                }

                await scenario.OpenAsync();
                await scenario.AppendAsync(FactGen.Bound("after", 50_001, 16_000));
                disk.LosePower();
                disk.Restart();
                await scenario.OpenAsync();
                await scenario.CloseAsync();
            },
            Enumerable.Range(0, 40));
    }

    [Theory]
    [InlineData(DiskOperation.SyncFile)]
    [InlineData(DiskOperation.SyncFolder)]
    internal async Task ADiskThatDoesNotSync_IsCaught(DiskOperation lie)
    {
        // The seeded bug: were the store to leave out a sync, this is what it would look like.
        const int Runs = 50;
        int caught = 0;
        for (int run = 0; run < Runs && caught == 0; run++)
        {
            try
            {
                await RunAsync(100 + run, DiskFault.PowerLost, run, lie);
            }
            catch (InvalidOperationException)
            {
                await RunAsync(100 + run, DiskFault.PowerLost, run);   // which the same run on an honest disk is not
                caught++;
            }
        }

        caught.Should().Be(1);
    }

    /// <summary>A copy of a whole state, its mark with it: nobody may have synced that.</summary>
    [Fact]
    public async Task AStateThatNobodySynced_IsKeptOnceItWasOpened()
    {
        using SimulatedDisk from = new();
        await using (FilePortStore store = new(from.Folder(), TimeProvider.System))
        {
            await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
            await store.AppendAsync([FactGen.Bound("b1", 50_000, 16)], CancellationToken.None).Within();
        }

        for (int seed = 0; seed < 20; seed++)
        {
            using SimulatedDisk disk = new(seed);
            using (IStateFolder folder = disk.Folder())
            {
                foreach (string name in from.Names)
                {
                    using IStateFile file = folder.Create(name);
                    file.Write(from.ContentOf(name), 0);
                }
            }

            (await FactsOfAsync(disk)).Should().Equal("b1");
            disk.LosePower();
            disk.Restart();
            (await FactsOfAsync(disk)).Should().Equal(["b1"], "seed {0}: it was told once", seed);
        }

        static async Task<List<string>> FactsOfAsync(SimulatedDisk disk)
        {
            List<string> owners = [];
            await using FilePortStore store = new(disk.Folder(), TimeProvider.System);
            await store.LoadAsync(fact => owners.Add(fact.Owner), _ => { }, CancellationToken.None).Within();
            return owners;
        }
    }

    [Fact]
    public async Task AFullDisk_ForAWhile_IsToldAndThenForgotten()
    {
        using var disk = new SimulatedDisk();
        await using var scenario = new StoreScenario(disk);
        await scenario.OpenAsync();
        await scenario.AppendAsync(FactGen.Bound("before", 50_000, 16));
        disk.IsFull = true;
        for (int i = 0; i < 3; i++)
        {
            Func<Task> append = () => scenario.AppendAsync(FactGen.Bound("meanwhile", 50_001, 32));
            PortRefusal refusal = (await append.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
            refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
            refusal.Message.Should().Contain("No space left on device").And.Contain("Free space on that disk");
        }

        disk.IsFull = false;
        await scenario.AppendAsync(FactGen.Bound("meanwhile", 50_001, 32));
        await scenario.CloseAsync();
        disk.LosePower();
        disk.Restart();
        (await scenario.ReopenAsync()).Should().BeEmpty("nothing is damaged");
    }

    private static async Task<int> RunAsync(int at, DiskFault fault, int seed, DiskOperation? lie = null)
    {
        using var disk = new SimulatedDisk(seed) { FaultAt = at, Fault = fault, LiesAbout = lie };
        await using var scenario = new StoreScenario(disk);
        try
        {
            await scenario.PlayAsync(seed);
            int operations = disk.Operations;
            bool isCrash = disk.IsGone;
            if (!isCrash)
            {
                await scenario.CloseAsync();
                disk.LosePower();   // whatever was confirmed must survive that too
            }

            disk.Restart();
            List<string> complaints = await scenario.ReopenAsync();
            if (!isCrash || fault == DiskFault.Killed)
            {
                complaints.Where(complaint => !complaint.Contains("never confirmed", StringComparison.Ordinal)).Should().BeEmpty("only a power loss leaves more than a torn end");
            }

            return operations;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"operation {at} {fault}, seed {seed}: {e.Message}"), e);
        }
    }
}
