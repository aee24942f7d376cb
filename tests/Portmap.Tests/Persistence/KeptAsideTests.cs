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

    /// <summary>An opening that was killed may have written the part and not synced it: the next one
    /// finds it, and takes the state file's own away.</summary>
    [Fact]
    public async Task AnyOperationOfTheOpening_Killed_TheNextOneKeepsWhatItFinds()
    {
        await Seeds.ForEachAsync(
            async seed =>
            {
                for (int at = 1; at <= 40; at++)
                {
                    using SimulatedDisk disk = new(seed);
                    byte[] damage = await DamageAsync(disk);
                    (disk.FaultAt, disk.Fault) = (disk.Operations + at, DiskFault.Killed);
                    await TryOpenAsync(disk);
                    disk.Restart();
                    await using (FilePortStore store = new(disk.Folder(), s_time))
                    {
                        await OpenAsync(store);
                        disk.LosePower();
                    }

                    disk.Restart();
                    IsKept(disk, damage).Should().BeTrue("the first opening was killed at operation {0}", at);
                }
            },
            Enumerable.Range(0, 10));
    }

    /// <summary>A disk that is full, and a daemon that is started again and again.</summary>
    [Theory]
    [InlineData("Create")]
    [InlineData("Write")]
    public async Task Opening_ThatFailsAgainAndAgain_KeepsTheDamagedPartOnce(string operation)
    {
        using SimulatedDisk disk = new();
        byte[] damage = await DamageAsync(disk);
        for (int i = 0; i < 5; i++)
        {
            StrikingFolder folder = new(disk.Folder()) { Strike = (what, name) => what == operation && name == FilePortStore.NextName ? new IOException("no space") : null };
            await using FilePortStore store = new(folder, s_time);
            s_time.Advance(TimeSpan.FromSeconds(1));
            await FluentActions.Awaiting(() => OpenAsync(store)).Should().ThrowAsync<PortRefusedException>();
        }

        string kept = disk.Names.Should().ContainSingle(name => name.Contains(".damaged-", StringComparison.Ordinal)).Which;
        disk.ContentOf(kept).Should().Equal(damage);
    }

    [Theory]
    [InlineData("Write")]
    [InlineData("Sync")]
    public async Task Opening_ThatCannotKeepTheDamagedPart_LeavesNoHalfOfIt(string operation)
    {
        using SimulatedDisk disk = new();
        await DamageAsync(disk);
        StrikingFolder folder = new(disk.Folder()) { Strike = (what, name) => what == operation && name.Contains(".damaged-", StringComparison.Ordinal) ? new IOException("no space") : null };
        await using FilePortStore store = new(folder, s_time);

        await FluentActions.Awaiting(() => OpenAsync(store)).Should().ThrowAsync<PortRefusedException>();

        disk.Names.Should().NotContain(name => name.Contains(".damaged-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Opening_SomethingElseHasTheName_IsLeftAlone()
    {
        using SimulatedDisk disk = new();
        byte[] damage = await DamageAsync(disk), state = disk.ContentOf(FilePortStore.FileName);
        await TryOpenAsync(disk);
        string name = disk.Names.Single(name => name.Contains(".damaged-", StringComparison.Ordinal));
        using (IStateFolder folder = disk.Folder())
        {
            foreach ((string file, byte[] content) in (ReadOnlySpan<(string, byte[])>)[(name, [1, 2, 3]), (FilePortStore.FileName, state)])
            {
                using IStateFile written = folder.Create(file);
                written.Write(content, 0);
            }
        }

        await TryOpenAsync(disk);

        disk.ContentOf(name).Should().Equal(1, 2, 3);
        disk.ContentOf(name + "+").Should().Equal(damage);
    }

    /// <summary>What a registry does with it.</summary>
    private static async Task OpenAsync(FilePortStore store)
    {
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        await store.AppendAsync([PortFact.Mark(1L << 40)], CancellationToken.None).Within();
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
