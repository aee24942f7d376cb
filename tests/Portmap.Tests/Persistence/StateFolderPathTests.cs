using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A state folder is the same one, as its path is spelled, and nobody else decides where
/// that leads.</summary>
[SupportedOSPlatform("linux")]
public sealed class StateFolderPathTests : IDisposable
{
    private readonly StateFolderOfTest _root = new();

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData("", "/")]
    [InlineData("", "//")]
    [InlineData("", "/.")]
    [InlineData("", "/./")]
    [InlineData("", "/x/..")]
    [InlineData("", "/x/../")]
    [InlineData("/", "")]
    [InlineData("/.", "/")]
    public void Path_SpelledInAnotherWay_IsTheSame(string before, string after)
    {
        string spelled = Path.GetDirectoryName(_root.Path) + before + "/" + Path.GetFileName(_root.Path) + after;

        using StateFolder folder = new(spelled);

        folder.Path.Should().Be(_root.Path);
    }

    [Fact]
    public void Path_Root_StaysIt() => new StateFolder("/").Path.Should().Be("/");

    [NeedsRootTheory("sh")]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("/.")]
    [InlineData("//")]
    public async Task Load_ThroughALinkOfAnotherUser_IsRefused(string after)
    {
        string link = Path.Combine(_root.Path, "link"), folder = Path.Combine(_root.Path, "folder");
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateSymbolicLink(link, folder);
        LChown(link, OtherUser.Id, OtherUser.Id).Should().Be(0);

        (await RefusalAsync(link + after)).ShouldExplain(PortRefusalReason.StoreFailed, link, "is a link that user 65534 made");

        Directory.GetFiles(folder).Should().BeEmpty();
    }

    /// <summary>Whose it is may lead it elsewhere whenever he likes, to a copy of an old state of
    /// ours.</summary>
    [NeedsRootTheory("sh")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Load_OverALinkOfAnotherUserFurtherAbove_IsRefused(bool isOverOneOfOurs)
    {
        string folder = Path.Combine(_root.Path, "folder"), his = Path.Combine(_root.Path, "his"), ours = Path.Combine(_root.Path, "ours");
        Directory.CreateDirectory(Path.Combine(folder, "state"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateSymbolicLink(his, "folder");
        Directory.CreateSymbolicLink(ours, "his");
        LChown(his, OtherUser.Id, OtherUser.Id).Should().Be(0);

        (await RefusalAsync(Path.Combine(isOverOneOfOurs ? ours : his, "state"))).ShouldExplain(PortRefusalReason.StoreFailed, $"reached over {his}, a link that user 65534 made");

        Directory.GetFiles(Path.Combine(folder, "state")).Should().BeEmpty();
    }

    [NeedsRootFact("sh")]
    public async Task Load_FolderOfAnotherUser_IsRefused()
    {
        LChown(_root.Path, OtherUser.Id, OtherUser.Id).Should().Be(0);

        (await RefusalAsync(_root.Path)).ShouldExplain(PortRefusalReason.StoreFailed, _root.Path, "belongs to user 65534");

        Directory.GetFiles(_root.Path).Should().BeEmpty();
    }

    /// <summary>He has made nothing in it, and may not open it to sync it.</summary>
    [NeedsRootTheory("sh")]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("/.")]
    public void Take_AFolderFurtherAboveIsClosedToThisUser_IsMade(string after)
    {
        string closed = Closed("711"), state = Path.Combine(closed, "of him", "state");
        Directory.CreateDirectory(Path.GetDirectoryName(state)!);
        LChown(Path.GetDirectoryName(state)!, OtherUser.Id, OtherUser.Id).Should().Be(0);
        OtherUser.Run(() =>
        {
            using StateFolder folder = new(state + after);
            folder.Take();
        });

        Directory.Exists(state).Should().BeTrue();
    }

    /// <summary>Nobody could say that its name lasts.</summary>
    [NeedsRootFact("sh")]
    public void Make_AFolderIsMadeInOneThatIsClosedToThisUser_FailsAndIsTakenAway()
    {
        string closed = Closed("733"), made = Path.Combine(closed, "made");

        OtherUser.Run(() => FluentActions.Invoking(() => ParentFolders.Make(Path.Combine(made, "state"), () => false)).Should().Throw<UnauthorizedAccessException>());

        Directory.Exists(made).Should().BeFalse();
    }

    private static async Task<PortRefusal> RefusalAsync(string path)
    {
        await using FilePortStore store = new(path, TimeProvider.System);
        return await Task.Run(() => store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask()).RefusalAsync();
    }

    private string Closed(string mode)
    {
        string closed = Path.Combine(_root.Path, "closed");
        Directory.CreateDirectory(closed);
        File.SetUnixFileMode(_root.Path, (UnixFileMode)Convert.ToInt32("755", 8));
        File.SetUnixFileMode(closed, (UnixFileMode)Convert.ToInt32(mode, 8));
        return closed;
    }

    [DllImport("libc", EntryPoint = "lchown")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int LChown([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint user, uint group);
}
