using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>A store that is closed has given its folder back, whoever was starting a process at
/// that moment.</summary>
public sealed class StateLockTests : IDisposable
{
    private readonly StateFolderOfTest _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Dispose_AChildHasTheDescriptorToo_TheNextStoreMayHaveTheFolder()
    {
        FilePortStore first = _folder.Store();
        await first.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();

        // What a child has between fork and exec: another descriptor of the same open file.
        string link = Directory.GetFiles("/proc/self/fd").Single(fd => new FileInfo(fd).LinkTarget == Path.Combine(_folder.Path, "portmap.lock"));
        int inherited = Dup(int.Parse(Path.GetFileName(link), CultureInfo.InvariantCulture));
        inherited.Should().BePositive();
        try
        {
            await first.DisposeAsync().AsTask().Within();
            await using FilePortStore second = _folder.Store();
            await second.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        }
        finally
        {
            _ = Close(inherited);
        }
    }

    [Fact]
    public async Task Load_TheNumberInTheLockIsOfADeadProcess_NamesNobody()
    {
        await using FilePortStore first = _folder.Store();
        await first.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        using Child child = Child.Start();
        child.Kill();
        using (Process shell = Process.Start("sh", ["-c", $"echo {child.Id} > {_folder.Path}/portmap.lock"]))   // .NET would heed the lock
        {
            await shell.WaitForExitAsync().Within();
            shell.ExitCode.Should().Be(0);
        }

        await using FilePortStore second = _folder.Store();
        PortRefusal refusal = await Task.Run(() => second.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask()).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.StateInUse, _folder.Path, "another process");
        refusal.Message.Should().NotMatchRegex(string.Create(CultureInfo.InvariantCulture, $@"\bprocess {child.Id}\b"));
    }

    [DllImport("libc", EntryPoint = "dup")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Dup(int descriptor);

    [DllImport("libc", EntryPoint = "close")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Close(int descriptor);
}
