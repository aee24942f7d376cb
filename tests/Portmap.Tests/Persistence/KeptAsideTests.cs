using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>What could not be read is kept, whatever happens while it is set aside.</summary>
public class KeptAsideTests
{
    private static readonly FakeTimeProvider s_time = new(DateTimeOffset.FromUnixTimeSeconds(1_790_000_000));

    [Theory]
    [InlineData(DiskFault.Fails)]
    [InlineData(DiskFault.Tears)]
    [InlineData(DiskFault.Killed)]
    [InlineData(DiskFault.PowerLost)]
    internal async Task AnyOperationOfTheOpening_Struck_KeepsTheDamagedPart(DiskFault fault)
    {
        await Seeds.ForEachAsync(
            async seed =>
            {
                for (int at = 0; at <= 40; at++)
                {
                    using SimulatedDisk disk = new(seed);
                    byte[] damage = await DamageAsync(disk);
                    disk.FaultAt = disk.Operations + at;
                    disk.Fault = at == 0 ? DiskFault.None : fault;
                    await TryOpenAsync(disk);
                    disk.LosePower();   // also of what was opened well: from then on the part is nowhere else
                    disk.Restart();
                    IsKept(disk, damage).Should().BeTrue("operation {0}", at);
                    await TryOpenAsync(disk);
                    disk.LosePower();
                    IsKept(disk, damage).Should().BeTrue("opened again after operation {0}", at);
                }
            },
            Enumerable.Range(0, 10));
    }

    private static async Task<byte[]> DamageAsync(SimulatedDisk disk)
    {
        await using (FilePortStore store = new(disk.Folder(), s_time))
        {
            await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
            await store.AppendAsync([FactGen.Bound("b1", 50_000, 16), FactGen.Bound("b2", 50_001, 32)], CancellationToken.None).Within();
        }

        byte[] content = disk.ContentOf(FilePortStore.FileName);
        int first = FactLine.Header.Length, second = first + FactLine.Measure(FactGen.Bound("b1", 50_000, 16));
        using IStateFolder folder = disk.Folder();
        using IStateFile file = folder.Open(FilePortStore.FileName)!;
        content[first + 20] ^= 1;
        file.Write(content, 0);
        file.Sync();
        return content[first..second];
    }

    private static async Task TryOpenAsync(SimulatedDisk disk)
    {
        await using FilePortStore store = new(disk.Folder(), s_time);
        try
        {
            await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        }
        catch (PortRefusedException)
        {
            // the fault
        }
    }

    /// <summary>Whether it is in the state file still, or in one beside it.</summary>
    private static bool IsKept(SimulatedDisk disk, byte[] damage) =>
        disk.Names.Where(name => name.StartsWith(FilePortStore.FileName, StringComparison.Ordinal) && name != FilePortStore.NextName)
            .Any(name => disk.ContentOf(name).AsSpan().IndexOf(damage) >= 0);
}
