using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A state folder that cannot be made or used is not told as a disk that fails: the
/// message names the folder, the errno and what to do.</summary>
public class StateFolderTroubleTests
{
    [Theory]
    [InlineData("file", "EEXIST", "file is in the way")]
    [InlineData("file/below", "ENOTDIR", "file is in the way")]
    [InlineData("file/far/below", "ENOTDIR", "file is in the way")]
    [InlineData("nowhere", "EEXIST", "nowhere is in the way")]
    [InlineData("nowhere/below", "ENOTDIR", "nowhere is in the way")]
    public async Task OpenAsync_SomethingInTheWay_NamesIt(string path, string errno, string remedy)
    {
        using StateFolderOfTest folder = new();
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "file"), "x");
        File.CreateSymbolicLink(Path.Combine(folder.Path, "nowhere"), "/no/such/place");

        await RefusedAsync(Path.Combine(folder.Path, path), errno, remedy);
    }

    [Fact]
    public async Task OpenAsync_PlaceWhereNobodyMayMakeOne_NamesIt() =>
        await RefusedAsync("/proc/portmap/state", "ENOENT", "Look at /proc");

    [Fact]
    public async Task OpenAsync_NameTooLong_NamesIt()
    {
        using StateFolderOfTest folder = new();
        await RefusedAsync(Path.Combine(folder.Path, new string('x', 300)), "ENAMETOOLONG", "shorter");
    }

    [Theory]
    [InlineData(1, "EPERM", "Let this user write")]
    [InlineData(13, "EACCES", "Let this user write")]
    [InlineData(30, "EROFS", "Make that file system writable")]
    [InlineData(28, "ENOSPC", "Free space")]
    [InlineData(40, "ELOOP", "choose another StateFolder")]
    [InlineData(95, "errno 95", "choose another StateFolder")]
    public void Refusal_OfASystemCall_NamesItsErrnoAndTheRemedy(int errno, string name, string remedy)
    {
        using StateFolderOfTest folder = new();
        IOException failure = new("It said no", errno);

        foreach (Exception exception in (Exception[])[failure, new UnauthorizedAccessException("Access denied", failure)])
        {
            FolderTrouble.Refusal(folder.Path, exception).ShouldExplain(PortRefusalReason.StoreFailed, folder.Path, "cannot be used", name, remedy);
            FolderTrouble.Refusal(Path.Combine(folder.Path, "a", "b"), exception).ShouldExplain(PortRefusalReason.StoreFailed, "cannot be made", name, remedy);
        }
    }

    [Fact]
    public async Task OpenAsync_FolderOfMissingParents_IsMade()
    {
        using StateFolderOfTest folder = new();
        PortRegistryOptions options = new() { StateFolder = Path.Combine(folder.Path, "a", "b", "c"), Probe = false };

        await using PortRegistry registry = await PortRegistry.OpenAsync(options).Within();

        Directory.Exists(options.StateFolder).Should().BeTrue();
    }

    private static async Task RefusedAsync(string path, string errno, string remedy)
    {
        PortRefusal refusal = await PortRegistry.OpenAsync(new PortRegistryOptions { StateFolder = path, Probe = false }).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.StoreFailed, path, errno, remedy);
        refusal.Message.Should().NotContainAny("disk", "kernel's log", "could not be kept");
    }
}
