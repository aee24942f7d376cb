using System.Globalization;

namespace Portmap.Tests.Persistence;

/// <summary>A whole scenario over the simulated disk, once for each operation that can fail, tear, be killed or lose the power.</summary>
public class StoreCrashTests
{
    [Theory]
    [InlineData(DiskFault.Fails)]
    [InlineData(DiskFault.Tears)]
    [InlineData(DiskFault.Killed)]
    [InlineData(DiskFault.PowerLost)]
    internal async Task AnyOperation_Struck_LosesNothingThatWasConfirmed(DiskFault fault)
    {
        int seed = Environment.TickCount;
        int operations = await RunAsync(0, DiskFault.None, seed);
        operations.Should().BeGreaterThan(100);
        for (int at = 1; at <= operations; at++)
        {
            await RunAsync(at, fault, seed + at);
        }
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
                caught++;
            }
        }

        caught.Should().Be(1);
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
