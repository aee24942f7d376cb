using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>An error that no disk gives, in a compaction or an append: nothing confirmed is lost,
/// the store goes on, and the folder is free when it is closed.</summary>
public sealed class UnforeseenErrorTests
{
    private const int AllowedLength = 16 * 1_024;

    private readonly FakeTimeProvider _time = new(DateTimeOffset.FromUnixTimeSeconds(1_790_000_000));

    [Theory]
    [InlineData("Create", false)]
    [InlineData("Create", true)]
    [InlineData("Write", false)]
    [InlineData("Write", true)]
    [InlineData("Sync", false)]
    [InlineData("Sync", true)]
    [InlineData("Rename", false)]
    [InlineData("Rename", true)]
    [InlineData("Dispose", true)]
    public async Task Compaction_MeetsAnUnforeseenError_TheAppendsGoOnAndTheFolderIsFree(string operation, bool outOfMemory)
    {
        using SimulatedDisk disk = new();
        StrikingFolder folder = new(disk.Folder());
        FilePortStore store = new(folder, _time, AllowedLength);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        int struck = 0;
        folder.Strike = (at, name) => at == operation && name == FilePortStore.NextName && Interlocked.Increment(ref struck) > 0 ? Unforeseen(outOfMemory) : null;
        List<PortFact> confirmed = [];
        for (int i = 0; i < 400; i++)
        {
            await TryAppendAsync(store, i, confirmed);
        }

        await store.Compaction.Within();
        struck.Should().BePositive();
        folder.Strike = (_, _) => null;
        for (int i = 400; i < 600; i++)
        {
            (await TryAppendAsync(store, i, confirmed)).Should().BeTrue("the folder works again");
        }

        await store.Compaction.Within();
        disk.LengthOf(FilePortStore.FileName).Should().BeLessThanOrEqualTo(AllowedLength);
        await store.DisposeAsync().AsTask().Within();
        await AllComeBackAsync(disk, confirmed);
    }

    [Theory]
    [InlineData("Create")]
    [InlineData("Write")]
    [InlineData("Sync")]
    [InlineData("Rename")]
    [InlineData("Dispose")]
    [InlineData("SyncFolder")]
    public async Task Dispose_AfterACompactionThatFailsForEver_IsQuietAndTheFolderIsFree(string operation)
    {
        using SimulatedDisk disk = new();
        StrikingFolder folder = new(disk.Folder());
        FilePortStore store = new(folder, _time, AllowedLength);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        List<PortFact> confirmed = [];
        (await TryAppendAsync(store, 0, confirmed)).Should().BeTrue("the file is there before the folder is struck");
        int struck = 0;
        folder.Strike = (at, name) => at == operation && (name is FilePortStore.NextName or "") && Interlocked.Increment(ref struck) > 0 ? Unforeseen(outOfMemory: true) : null;
        for (int i = 1; i < 300; i++)
        {
            await TryAppendAsync(store, i, confirmed);
        }

        await store.DisposeAsync().AsTask().Within();
        struck.Should().BePositive();
        await AllComeBackAsync(disk, confirmed);
    }

    [Theory]
    [InlineData("Write", false)]
    [InlineData("Write", true)]
    [InlineData("Sync", false)]
    [InlineData("Sync", true)]
    public async Task Append_MeetsAnUnforeseenError_TheNextOneWorks(string operation, bool outOfMemory)
    {
        using SimulatedDisk disk = new();
        StrikingFolder folder = new(disk.Folder());
        FilePortStore store = new(folder, _time, AllowedLength);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        List<PortFact> confirmed = [];
        await TryAppendAsync(store, 0, confirmed);
        bool once = true;
        folder.Strike = (at, _) =>
        {
            bool strikes = once && at == operation;
            once &= !strikes;
            return strikes ? Unforeseen(outOfMemory) : null;
        };
        (await TryAppendAsync(store, 1, confirmed)).Should().BeFalse();
        (await TryAppendAsync(store, 2, confirmed)).Should().BeTrue();
        await store.DisposeAsync().AsTask().Within();
        await AllComeBackAsync(disk, confirmed);
    }

    private static Exception Unforeseen(bool outOfMemory) => outOfMemory ? new InsufficientMemoryException() : new InvalidOperationException("unforeseen");

    private static async Task<bool> TryAppendAsync(FilePortStore store, int i, List<PortFact> confirmed)
    {
        PortFact fact = FactGen.Bound($"vol0:/bricks/b{i % 10}", 50_000 + (i % 10), 16L * (i + 1));
        try
        {
            await store.AppendAsync([fact], CancellationToken.None).Within();
            confirmed.Add(fact);
            return true;
        }
        catch (Exception e) when (e is OutOfMemoryException or InvalidOperationException or PortRefusedException)
        {
            return false;
        }
    }

    private async Task AllComeBackAsync(SimulatedDisk disk, List<PortFact> confirmed)
    {
        disk.IsTaken.Should().BeFalse("the lock was given back");
        disk.LosePower();
        disk.Restart();
        PortFactSet facts = new();
        await using FilePortStore again = new(disk.Folder(), _time, AllowedLength);
        await again.LoadAsync(facts.Apply, _ => { }, CancellationToken.None).Within();
        foreach (PortFact fact in FactGen.SetOf([.. confirmed]).Claims)
        {
            PortFact? there = facts.Claims.SingleOrDefault(other => other.Owner == fact.Owner && other.Port == fact.Port);
            there.Should().NotBeNull("{0} was confirmed", fact.Owner);
            there!.Epoch.Should().BeGreaterThanOrEqualTo(fact.Epoch);
        }
    }
}
