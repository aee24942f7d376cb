using System.Runtime.Versioning;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

[SupportedOSPlatform("linux")]
public sealed class FilePortStoreTests : PortStoreContract, IDisposable
{
    private readonly StateFolderOfTest _folder = new(onDisk: true);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task File_AfterAppend_CanBeReadByAPerson()
    {
        await AppendAsync(Fact("vol0:/bricks/b 1", 49_152, 16, PortState.Bound), Fact("two\nlines", 49_153, 32, PortState.Reserved), PortFact.Mark(16_384));

        string[] lines = await File.ReadAllLinesAsync(_folder.StatePath);

        lines.Should().HaveCount(4);
        lines[0].Should().MatchRegex("^#[0-9a-f]{8} portmap-state 2$");
        lines[1].Should().MatchRegex("^#[0-9a-f]{8} tcp 49152 bound epoch=16 pid=4321 start=987654321 boot=9f1c6a70-27f3-4f0e-8f6d-0a3b5d1c2e4f "
            + "at=20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z until=- by=AllocatorPicks owner=vol0:/bricks/b 1$");
        lines[2].Should().EndWith(@" by=AllocatorPicks owner=two\x0alines");
        lines[3].Should().MatchRegex("^#[0-9a-f]{8} mark epoch=16384$");
    }

    [Fact]
    public async Task Load_NewFolder_MakesItAndTheFilesPrivate()
    {
        string path = Path.Combine(_folder.Path, "deeper", "state");
        await using FilePortStore store = new(path, TimeProvider.System);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();

        File.GetUnixFileMode(path).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (string file in Directory.GetFiles(path))
        {
            File.GetUnixFileMode(file).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite, file);
        }
    }

    [Fact]
    public async Task Load_FileThatOthersMayRead_IsMadePrivate()
    {
        await AppendAsync(Fact("b1", 49_152, 16, PortState.Bound));
        File.SetUnixFileMode(_folder.StatePath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        await LoadAsync();
        File.GetUnixFileMode(_folder.StatePath).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Theory]
    [InlineData(UnixFileMode.OtherWrite)]
    [InlineData(UnixFileMode.GroupWrite)]
    public async Task Load_FolderThatOthersMayWriteTo_IsRefused(UnixFileMode others)
    {
        File.SetUnixFileMode(_folder.Path, (UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute) | others);
        PortRefusal refusal = await RefusalAsync(_folder.Store());
        refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        refusal.Message.Should().Contain(_folder.Path).And.Contain("may be written to by others");
        Directory.GetFiles(_folder.Path).Should().BeEmpty();
    }

    [Fact]
    public async Task Load_FolderBehindALinkOfOurs_IsTaken()
    {
        string link = _folder.Path + ".link";
        Directory.CreateSymbolicLink(link, _folder.Path);
        try
        {
            await using FilePortStore store = new(link, TimeProvider.System);
            await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
            File.Exists(_folder.StatePath).Should().BeTrue();
        }
        finally
        {
            File.Delete(link);
        }
    }

    [Fact]
    public async Task Load_PathThatIsAFile_IsRefused()
    {
        string path = Path.Combine(_folder.Path, "file");
        await File.WriteAllTextAsync(path, "x");
        (await RefusalAsync(new FilePortStore(path, TimeProvider.System))).Reason.Should().Be(PortRefusalReason.StoreFailed);
    }

    [Theory]
    [InlineData(StateScan.Version + 1)]
    [InlineData(int.MaxValue)]
    public async Task Load_NewerVersion_IsRefusedAndLeftAsItWas(int version)
    {
        byte[] content = [.. FactLine.MakeHeader(version), .. "#00000000 whatever that version writes\n"u8];
        await File.WriteAllBytesAsync(_folder.StatePath, content);

        PortRefusal refusal = await RefusalAsync(_folder.Store());

        refusal.Reason.Should().Be(PortRefusalReason.StateUnreadable);
        refusal.Message.Should().Contain($"version {version}").And.Contain($"knows {StateScan.Version}");
        (await File.ReadAllBytesAsync(_folder.StatePath)).Should().Equal(content);
        _folder.Files("*").Should().Equal(_folder.StatePath);
    }

    [Theory]
    [InlineData("shopping list\n")]
    [InlineData("{\"ports\": []}")]
    [InlineData("\n")]
    public async Task Load_FileOfSomethingElse_IsRefusedAndLeftAsItWas(string content)
    {
        await File.WriteAllTextAsync(_folder.StatePath, content);
        (await RefusalAsync(_folder.Store())).Reason.Should().Be(PortRefusalReason.StateUnreadable);
        (await File.ReadAllTextAsync(_folder.StatePath)).Should().Be(content);
    }

    [Fact]
    public async Task Load_Twice_IsMisuse()
    {
        await using FilePortStore store = _folder.Store();
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        Func<Task> again = () => store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask();
        await again.Should().ThrowAsync<InvalidOperationException>();
        await store.AppendAsync([Fact("b1", 49_152, 16, PortState.Bound)], CancellationToken.None).Within();
    }

    [Fact]
    public async Task Load_AfterACrashDuringCompaction_DeletesWhatItLeft()
    {
        await AppendAsync(Fact("b1", 49_152, 16, PortState.Bound));
        await File.WriteAllTextAsync(Path.Combine(_folder.Path, FilePortStore.NextName), "half of a");
        (await LoadAsync()).Should().ContainSingle();
        _folder.Files("*").Should().Equal(_folder.StatePath);
    }

    protected override IPortStore CreateStore() => _folder.Store();

    private static async Task<PortRefusal> RefusalAsync(FilePortStore store)
    {
        await using (store)
        {
            Func<Task> load = () => store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask();
            return (await load.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        }
    }
}
