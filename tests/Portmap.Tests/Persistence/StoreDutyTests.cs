using System.Globalization;
using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>Single duties of the file store, each by the shortest scene in which leaving it out is
/// seen.</summary>
public sealed class StoreDutyTests
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.FromUnixTimeSeconds(1_790_000_000));

    [Fact]
    public async Task Append_FactThatNoLineHolds_IsRefusedAndTheNextOneIsWritten()
    {
        using SimulatedDisk disk = new();
        await using (FilePortStore store = await OpenAsync(disk))
        {
            PortFact tooLong = new() { Owner = "b1", Port = 50_000, Epoch = 16, State = PortState.Bound, Strategy = new string('#', 20_000) };
            (await store.AppendAsync([tooLong], CancellationToken.None).RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
            await store.AppendAsync([FactGen.Bound("b2", 50_001, 32)], CancellationToken.None).Within();
        }

        (await LoadAsync(disk)).Should().Equal(FactGen.Standing([FactGen.Bound("b2", 50_001, 32)]));
    }

    [Fact]
    public async Task Append_AfterASyncThatFailed_GoesToANewFile()
    {
        using SimulatedDisk disk = new();
        await using FilePortStore store = await OpenAsync(disk);
        disk.FailsNext(DiskOperation.SyncFile, FilePortStore.FileName);
        await store.AppendAsync([FactGen.Bound("b1", 50_000, 16)], CancellationToken.None).RefusalAsync();

        using SimulatedDisk.Held rename = disk.Hold((operation, name) => operation == DiskOperation.Rename && name == FilePortStore.FileName);
        disk.Release();
        await store.AppendAsync([FactGen.Bound("b1", 50_000, 16)], CancellationToken.None).Within();

        rename.Reached.IsCompleted.Should().BeTrue("what a failed sync left in the old file nobody knows");
    }

    [Fact]
    public async Task Append_ShorterThanOneThatWasTorn_LeavesNothingOfItBehind()
    {
        await Seeds.ForEachAsync(
            async seed =>
            {
                using SimulatedDisk disk = new(seed);
                PortFact next = FactGen.Bound("b", 50_001, 32);
                await using (FilePortStore store = await OpenAsync(disk))
                {
                    disk.FailsNext(DiskOperation.Write, FilePortStore.FileName, tears: true);
                    await store.AppendAsync([FactGen.Bound(new string('a', 2_000), 50_000, 16)], CancellationToken.None).RefusalAsync();
                    await store.AppendAsync([next], CancellationToken.None).Within();
                }

                (await LoadAsync(disk)).Should().Equal(FactGen.Standing([next]), "and without a complaint");
            },
            Enumerable.Range(0, 20));
    }

    [Fact]
    public async Task Append_ToAFileWhoseLastLineEndsOpen_LosesNoLineBreak()
    {
        using SimulatedDisk disk = new();
        PortFact first = FactGen.Bound("b1", 50_000, 16), second = FactGen.Bound("b2", 50_001, 32);
        await using (FilePortStore store = await OpenAsync(disk))
        {
            await store.AppendAsync([first], CancellationToken.None).Within();
        }

        using (IStateFolder folder = disk.Folder())
        {
            using IStateFile file = folder.Open(FilePortStore.FileName)!;
            file.Truncate(file.Length - 1);   // an editor that leaves out the last line break
        }

        await using (FilePortStore store = await OpenAsync(disk))
        {
            await store.AppendAsync([second], CancellationToken.None).Within();
        }

        (await LoadAsync(disk)).Should().Equal(FactGen.Standing([first, second]), "and without a complaint");
    }

    [Fact]
    public async Task Load_DamagedTwiceInTheSameMoment_KeepsBothParts()
    {
        using SimulatedDisk disk = new();
        for (int i = 0; i < 2; i++)
        {
            await using FilePortStore store = await OpenAsync(disk);
            await store.AppendAsync([FactGen.Bound($"b{i}", 50_000 + i, 16 * (i + 1))], CancellationToken.None).Within();
            await store.DisposeAsync();
            using (IStateFolder folder = disk.Folder())
            {
                using IStateFile file = folder.Open(FilePortStore.FileName)!;
                byte[] content = disk.ContentOf(FilePortStore.FileName);
                content[FactLine.Header.Length + 20] ^= 1;
                file.Write(content, 0);
            }

            await using FilePortStore next = new(disk.Folder(), _time);
            await next.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        }

        string[] kept = [.. disk.Names.Where(name => name.Contains(".damaged-", StringComparison.Ordinal))];
        kept.Should().HaveCount(2);
        string.Concat(kept.Select(name => System.Text.Encoding.ASCII.GetString(disk.ContentOf(name)))).Should().Contain("owner=b0").And.Contain("owner=b1");
    }

    [Fact]
    public async Task Open_AfterACleanClose_LeavesTheFileAsItIs()
    {
        using SimulatedDisk disk = new();
        await using (FilePortStore store = await OpenAsync(disk))
        {
            await store.AppendAsync([FactGen.Bound("b1", 50_000, 16), FactGen.Bound("b1", 50_000, 32)], CancellationToken.None).Within();
        }

        byte[] before = disk.ContentOf(FilePortStore.FileName);
        await LoadAsync(disk);
        disk.ContentOf(FilePortStore.FileName).Should().Equal(before, "a store that was closed well need not be written anew");
    }

    [Fact]
    public async Task Compaction_PowerIsLostRightAfterIt_HasWhatCameMeanwhile()
    {
        await Seeds.ForEachAsync(
            async seed =>
            {
                using SimulatedDisk disk = new(seed);
                await using FilePortStore store = await OpenAsync(disk, allowedLength: 32 * 1_024);
                using SimulatedDisk.Held held = disk.Hold((operation, name) => operation == DiskOperation.SyncFile && name == FilePortStore.NextName);
                List<PortFact> facts = [];
                while (store.Compaction.IsCompleted)
                {
                    facts.Add(FactGen.Bound($"b{facts.Count % 10}", 50_000 + (facts.Count % 10), 16L * (facts.Count + 1)));
                    await store.AppendAsync([facts[^1]], CancellationToken.None).Within();
                }

                await held.Reached.Within();
                for (int i = 0; i < 10; i++)
                {
                    facts.Add(FactGen.Bound(string.Create(CultureInfo.InvariantCulture, $"later{i}{new string('x', 600)}"), 51_000 + i, 16L * (facts.Count + 1)));
                    await store.AppendAsync([facts[^1]], CancellationToken.None).Within();
                }

                disk.Release();
                await store.Compaction.Within();
                disk.LosePower();
                disk.Restart();
                (await LoadAsync(disk)).Should().Equal(FactGen.Standing(facts));
            },
            Enumerable.Range(0, 20));
    }

    private async Task<FilePortStore> OpenAsync(SimulatedDisk disk, int allowedLength = FilePortStore.AllowedLength)
    {
        await LoadAsync(disk, mayComplain: true);   // so that the file was not made by this store under its other name
        FilePortStore store = new(disk.Folder(), _time, allowedLength);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        return store;
    }

    private async Task<List<string>> LoadAsync(SimulatedDisk disk, bool mayComplain = false)
    {
        PortFactSet facts = new();
        await using FilePortStore store = new(disk.Folder(), _time);
        await store.LoadAsync(facts.Apply, text => Assert.True(mayComplain, text), CancellationToken.None).Within();
        return FactGen.Lines(facts);
    }
}
