using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>What the system says no to has the remedy that helps; the kernel's log is named for
/// what a disk fails with.</summary>
public sealed class StoreRefusalsTests
{
    [Theory]
    [InlineData(21, "EISDIR", "move it away")]
    [InlineData(23, "ENFILE", "fs.file-max")]
    [InlineData(24, "EMFILE", "LimitNOFILE")]
    [InlineData(27, "EFBIG", "LimitFSIZE")]
    [InlineData(28, "ENOSPC", "Free space")]
    [InlineData(30, "EROFS", "writable")]
    [InlineData(40, "ELOOP", "links")]
    [InlineData(122, "EDQUOT", "Free space")]
    public void Failed_NotOfTheDisk_HasTheRemedy(int errno, string name, string remedy)
    {
        using StateFolderOfTest folder = new();
        IOException failure = new("It said no", errno);

        PortRefusal whenKept = StoreRefusals.Failed(folder.Path, failure), whenTaken = FolderTrouble.Refusal(folder.Path, failure);

        whenKept.ShouldExplain(PortRefusalReason.StoreFailed, folder.Path, "It said no", remedy);
        whenTaken.ShouldExplain(PortRefusalReason.StoreFailed, folder.Path, "It said no", name, remedy);
        FolderTrouble.IsOfFolder(folder.Path, failure).Should().BeTrue();
        whenKept.Message.Should().NotContain("kernel's log");
    }

    [Fact]
    public void Failed_OfTheDisk_NamesTheKernelsLog() =>
        StoreRefusals.Failed("/state", new IOException("Input/output error", 5)).ShouldExplain(PortRefusalReason.StoreFailed, "/state", "Input/output error", "kernel's log");

    [Theory]
    [InlineData(true, "move it away")]
    [InlineData(false, "links")]
    public async Task Load_SomethingElseStandsInTheFilesPlace_SaysWhatToDo(bool isFolder, string remedy)
    {
        using StateFolderOfTest folder = new();
        if (isFolder)
        {
            Directory.CreateDirectory(folder.StatePath);
        }
        else
        {
            File.CreateSymbolicLink(folder.StatePath, folder.StatePath);
        }

        await using FilePortStore store = folder.Store();
        PortRefusal refusal = await Task.Run(() => store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask()).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.StoreFailed, folder.StatePath, remedy);
        refusal.Message.Should().NotContain("kernel's log");
    }

    /// <summary>Root has copied a state into the folder of the daemon's user: in another folder that
    /// would begin with nothing.</summary>
    [Fact]
    public async Task Load_FileThatThisUserMayNotOpen_SaysWhoseItIsToBe()
    {
        using SimulatedDisk disk = new();
        StrikingFolder folder = new(disk.Folder())
        {
            Strike = (operation, name) => (operation, name) == ("Open", FilePortStore.FileName) ? new UnauthorizedAccessException("Access to the path '/state/portmap.state' is denied.") : null,
        };
        await using FilePortStore store = new(folder, TimeProvider.System);

        PortRefusal refusal = await Task.Run(() => store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask()).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.StoreFailed, "'/state/portmap.state' is denied", "chown");
        refusal.Message.Should().NotContain("hoose another");
    }

    [Fact]
    public void Refusal_LockThatThisUserMayNotOpen_SaysWhoseItIsToBe()
    {
        using StateFolderOfTest folder = new();

        PortRefusal refusal = FolderTrouble.Refusal(folder.Path, new UnauthorizedAccessException($"Access to the path '{folder.Path}/portmap.lock' is denied."));

        refusal.ShouldExplain(PortRefusalReason.StoreFailed, "portmap.lock' is denied", "EACCES", "chown");
        refusal.Message.Should().NotContain("hoose another");
    }

    /// <summary>.NET tells EFBIG in a way of its own.</summary>
    [Fact]
    public async Task Append_FileWouldBeLongerThanItMayBe_SaysWhatToDo()
    {
        using SimulatedDisk disk = new();
        StrikingFolder folder = new(disk.Folder());
        await using FilePortStore store = new(folder, TimeProvider.System);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask().Within();
        folder.Strike = (operation, _) => operation == "Write" ? new ArgumentOutOfRangeException("value", "Specified file length was too large for the file system.") : null;

        (await store.AppendAsync([FactGen.Bound("a", 20_000, 16)], CancellationToken.None).RefusalAsync())
            .ShouldExplain(PortRefusalReason.StoreFailed, "too large for the file system", "LimitFSIZE");

        folder.Strike = (_, _) => null;
        await store.AppendAsync([FactGen.Bound("a", 20_000, 16)], CancellationToken.None).AsTask().Within();
    }
}
