using System.Globalization;
using Portmap.Persistence;
using Xunit.Abstractions;

namespace Portmap.Tests.Persistence;

public class CompactionTests(ITestOutputHelper output)
{
    private const int AllowedLength = 32 * 1_024;

    private readonly FakeTimeProvider _time = new(DateTimeOffset.FromUnixTimeSeconds(1_790_000_000));

    [Theory]
    [InlineData(DiskOperation.Create)]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.SyncFile)]
    internal async Task Append_WhileTheNewFileIsBeingWritten_DoesNotWait(DiskOperation slow)
    {
        using SimulatedDisk disk = new();
        await using FilePortStore store = await OpenAsync(disk);
        using SimulatedDisk.Held held = disk.Hold((operation, name) => operation == slow && name == FilePortStore.NextName);
        int appended = await AppendUntilHeldAsync(store, held);
        for (int i = 0; i < 20; i++)
        {
            await AppendAsync(store, appended++);
        }

        store.Compaction.IsCompleted.Should().BeFalse("it is held");
        disk.Release();
        await store.Compaction.Within();
        disk.LengthOf(FilePortStore.FileName).Should().BeLessThan(AllowedLength / 2, "the file was compacted all the same");
        disk.LosePower();
        disk.Restart();
        (await LoadAsync(disk)).Should().Equal(FactGen.Standing(Enumerable.Range(0, appended).Select(Fact)), "what came meanwhile is there");
    }

    [Fact]
    public async Task Append_WhenTheFileReachesItsBound_WaitsForTheCompactionThatRuns()
    {
        using SimulatedDisk disk = new();
        await using FilePortStore store = await OpenAsync(disk);
        using SimulatedDisk.Held held = disk.Hold((operation, name) => operation == DiskOperation.SyncFile && name == FilePortStore.NextName);
        Task append = Task.CompletedTask;
        int appended = 0;
        while (append.IsCompleted && appended < 1_000)
        {
            append = AppendAsync(store, appended++);
        }

        append.IsCompleted.Should().BeFalse("the bound holds even where compaction does not keep up");
        disk.LengthOf(FilePortStore.FileName).Should().BeInRange(AllowedLength - 512, AllowedLength);
        disk.Release();
        await append.Within();
    }

    [Fact]
    public async Task Append_OfABatchThatWouldPassTheBound_CompactsFirst()
    {
        using SimulatedDisk disk = new();
        await using FilePortStore store = await OpenAsync(disk);
        int appended = 0;
        while (disk.LengthOf(FilePortStore.FileName) < (AllowedLength / 2) - 1_024)
        {
            await AppendAsync(store, appended++);
        }

        store.Compaction.Should().Be(Task.CompletedTask, "nothing was compacted yet");
        await store.AppendAsync([.. Enumerable.Range(appended, 100).Select(Fact)], CancellationToken.None).Within();
        disk.LengthOf(FilePortStore.FileName).Should().BeLessThanOrEqualTo(AllowedLength);
    }

    [Fact]
    public async Task Compaction_ThatFails_CostsNothingAndIsTriedAgain()
    {
        using SimulatedDisk disk = new();
        await using FilePortStore store = await OpenAsync(disk);
        int appended = 0;
        while (store.Compaction.IsCompletedSuccessfully && disk.LengthOf(FilePortStore.FileName) < AllowedLength / 2)
        {
            await AppendAsync(store, appended++);
        }

        disk.FailsNext(DiskOperation.SyncFile, FilePortStore.NextName);
        long longest = 0;
        for (int i = 0; i < 200; i++)
        {
            await AppendAsync(store, appended++);
            await store.Compaction.Within();
            longest = Math.Max(longest, disk.LengthOf(FilePortStore.FileName));
        }

        longest.Should().BeInRange(AllowedLength / 2, AllowedLength);
        disk.LengthOf(FilePortStore.FileName).Should().BeLessThan(longest);
    }

    /// <summary>The disk may be full because of it.</summary>
    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.SyncFile)]
    [InlineData(DiskOperation.Rename)]
    internal async Task Compaction_ThatFails_GivesItsRoomBack(DiskOperation operation)
    {
        using SimulatedDisk disk = new();
        await using FilePortStore store = await OpenAsync(disk);
        disk.FailsNext(operation, operation == DiskOperation.Rename ? FilePortStore.FileName : FilePortStore.NextName);
        for (int i = 0; disk.WillFail && i < 1_000; i++)
        {
            await AppendAsync(store, i);
            await store.Compaction.Within();
        }

        disk.WillFail.Should().BeFalse();
        disk.Names.Should().NotContain(FilePortStore.NextName);
    }

    [Theory]
    [InlineData(DiskOperation.Write)]
    [InlineData(DiskOperation.SyncFile)]
    [InlineData(DiskOperation.Rename)]
    internal async Task Append_WritesEverythingAnewAndFails_GivesItsRoomBack(DiskOperation operation)
    {
        using SimulatedDisk disk = new();
        await using FilePortStore store = await OpenAsync(disk);
        disk.FailsNext(DiskOperation.SyncFile, FilePortStore.FileName);
        await FluentActions.Awaiting(() => AppendAsync(store, 0)).Should().ThrowAsync<PortRefusedException>();

        disk.FailsNext(operation, operation == DiskOperation.Rename ? FilePortStore.FileName : FilePortStore.NextName);
        await FluentActions.Awaiting(() => AppendAsync(store, 0)).Should().ThrowAsync<PortRefusedException>();

        disk.WillFail.Should().BeFalse();
        disk.Names.Should().NotContain(FilePortStore.NextName);
        await AppendAsync(store, 0);
        (await LoadAsync(disk, store)).Should().Equal(FactGen.Standing([Fact(0)]));
    }

    [Fact]
    public async Task File_OfManyFactsThatStand_IsAtMostFourTimesAsLongAsThey()
    {
        const int Owners = 400;
        using SimulatedDisk disk = new();
        await using FilePortStore store = await OpenAsync(disk);
        PortFact[] facts = [.. Enumerable.Range(0, 8 * Owners).Select(i => FactGen.Bound(string.Create(CultureInfo.InvariantCulture, $"vol0:/bricks/b{i % Owners}"), 50_000 + (i % Owners), 16L * (i + 1)))];
        long longest = 0;
        foreach (PortFact[] batch in facts.Chunk(10))
        {
            await store.AppendAsync(batch, CancellationToken.None);
            await store.Compaction.Within();
            longest = Math.Max(longest, disk.LengthOf(FilePortStore.FileName));
        }

        long standing = FactLine.Header.Length + facts[^Owners..].Sum(fact => (long)FactLine.Measure(fact));
        longest.Should().BeInRange(2 * standing, 4 * standing);
    }

    [Fact]
    public async Task Dispose_WhileCompactionRuns_WaitsForItAndLosesNothing()
    {
        using SimulatedDisk disk = new();
        FilePortStore store = await OpenAsync(disk);
        using SimulatedDisk.Held held = disk.Hold((operation, name) => operation == DiskOperation.Write && name == FilePortStore.NextName);
        int appended = await AppendUntilHeldAsync(store, held);
        Task disposed = store.DisposeAsync().AsTask();
        disposed.IsCompleted.Should().BeFalse();
        disk.Release();
        await disposed.Within();
        disk.Names.Should().NotContain(FilePortStore.NextName);
        (await LoadAsync(disk)).Should().Equal(FactGen.Standing(Enumerable.Range(0, appended).Select(Fact)));
    }

    /// <remarks>PORTMAP_TEST_SCALE=50 makes it the whole day, a million changes.</remarks>
    [Theory]
    [InlineData(20_000, 1_000, 200)]
    [InlineData(20_000, 10, 200)]
    [InlineData(20_000, 100, 2_000)]
    public async Task File_AfterChurn_StaysWithinItsBound(int changes, int owners, int batchLength)
    {
        changes *= int.TryParse(Environment.GetEnvironmentVariable("PORTMAP_TEST_SCALE"), CultureInfo.InvariantCulture, out int scale) ? scale : 1;
        using StateFolderOfTest folder = new();
        Churn churn = new(owners, seed: changes);
        await using FilePortStore store = folder.Store(churn);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        long longest = 0;
        for (int done = 0; done < changes;)
        {
            PortFact[] batch = churn.Next(1 + (done % batchLength));
            await store.AppendAsync(batch, CancellationToken.None).Within();
            done += batch.Length;
            long length = new FileInfo(folder.StatePath).Length;
            longest = Math.Max(longest, length);
            if (length > FilePortStore.AllowedLength)
            {
                length.Should().BeLessThanOrEqualTo(churn.Bound(), "after {0} changes", done);
            }
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{changes} changes of {owners} owners: the file was {longest} bytes at most, and may be {churn.Bound()} now"));
        longest.Should().BeGreaterThan(FilePortStore.AllowedLength / 4, "else nothing was compacted");
    }

    /// <summary>Appends until a compaction stands.</summary>
    /// <returns>How many.</returns>
    private static async Task<int> AppendUntilHeldAsync(FilePortStore store, SimulatedDisk.Held held)
    {
        int appended = 0;
        while (store.Compaction.IsCompleted && appended < 1_000)
        {
            await AppendAsync(store, appended++);
        }

        await held.Reached.Within();
        return appended;
    }

    private static PortFact Fact(int i) => FactGen.Bound(string.Create(CultureInfo.InvariantCulture, $"vol0:/bricks/b{i % 10}"), 50_000 + (i % 10), 16L * (i + 1));

    private static async Task AppendAsync(FilePortStore store, int i) => await store.AppendAsync([Fact(i)], CancellationToken.None);

    private async Task<FilePortStore> OpenAsync(SimulatedDisk disk)
    {
        // Once before, so that the file was not made by this store under its other name.
        await LoadAsync(disk);
        FilePortStore store = new(disk.Folder(), _time, AllowedLength);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        return store;
    }

    private async Task<List<string>> LoadAsync(SimulatedDisk disk, FilePortStore? closed = null)
    {
        await (closed?.DisposeAsync() ?? ValueTask.CompletedTask);
        PortFactSet facts = new();
        await using FilePortStore store = new(disk.Folder(), _time, AllowedLength);
        await store.LoadAsync(facts.Apply, text => Assert.Fail(text), CancellationToken.None).Within();
        return FactGen.Lines(facts);
    }
}
