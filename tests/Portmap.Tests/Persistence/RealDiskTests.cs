using System.Diagnostics;
using System.Globalization;
using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>What only a real kernel can show: a full and a read-only file system, and locks that
/// belong to other processes.</summary>
public sealed class RealDiskTests : IDisposable
{
    private readonly StateFolderOfTest _folder = new(onDisk: true);

    private string LockPath => Path.Combine(_folder.Path, "portmap.lock");

    public void Dispose() => _folder.Dispose();

    [NeedsMountFact]
    public async Task Append_OnAFullDisk_IsRefusedAndWorksWhenThereIsRoom()
    {
        using Child mount = Mount("size=64k", out string folder);
        string ballast = Path.Combine(folder, "ballast");
        await using FilePortStore store = new(folder, TimeProvider.System);
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        await store.AppendAsync([FactGen.Bound("before", 50_000, 16)], CancellationToken.None).Within();
        FillUp(ballast);
        PortFact[] batch = [.. Enumerable.Range(1, 100).Select(i => FactGen.Bound($"meanwhile{i}", 50_000 + i, 16 + (16 * i)))];
        for (int i = 0; i < 2; i++)
        {
            Func<Task> append = () => store.AppendAsync(batch, CancellationToken.None).AsTask();
            PortRefusal refusal = (await append.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
            refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
            refusal.Message.Should().Contain("No space left").And.Contain("Free space on that disk").And.Contain(folder);
        }

        File.Delete(ballast);
        await store.AppendAsync(batch, CancellationToken.None).Within();
        await store.DisposeAsync();

        PortFactSet facts = new();
        await using FilePortStore again = new(folder, TimeProvider.System);
        await again.LoadAsync(facts.Apply, text => Assert.Fail(text), CancellationToken.None).Within();
        facts.Count.Should().Be(101);
    }

    [NeedsMountFact]
    public async Task Load_OnAReadOnlyDisk_IsRefused()
    {
        using Child mount = Mount("ro", out string folder);
        await using FilePortStore store = new(folder, TimeProvider.System);
        Func<Task> load = () => store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask();
        PortRefusal refusal = (await load.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        refusal.Message.Should().Contain("Read-only file system").And.Contain("Make that file system writable");
    }

    [NeedsFact("flock")]
    public async Task Load_WhileAnotherProcessHasTheState_IsToldItsNumberUntilItIsKilled()
    {
        // The shell writes its number and becomes flock(1), which holds the kernel's lock by itself
        // (-o) while its child sleeps.
        using Child holder = Child.Start("sh", "-c", $"echo $$ > '{LockPath}'; exec flock -o '{LockPath}' sh -c 'echo locked; sleep 600'");
        (await holder.Process.StandardOutput.ReadLineAsync().Within()).Should().Be("locked");
        await using FilePortStore store = _folder.Store();
        Func<Task> load = () => store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask();
        PortRefusal refusal = (await load.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.StateInUse);
        refusal.HolderProcessId.Should().Be(holder.Id);
        refusal.Message.Should().Contain(string.Create(CultureInfo.InvariantCulture, $"process {holder.Id}")).And.Contain(_folder.Path);
        File.Exists(_folder.StatePath).Should().BeFalse("nothing was touched");

        holder.Kill();
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
        TryLock().Should().BeFalse("the store holds the kernel's lock itself");
        await store.DisposeAsync();
        TryLock().Should().BeTrue("and gives it back");
    }

    private bool TryLock()
    {
        using Process flock = Process.Start("flock", ["-n", LockPath, "true"]);
        flock.WaitForExit(Deadline.Default).Should().BeTrue();
        return flock.ExitCode == 0;
    }

    /// <summary>A file system that lives in the mount namespace of a child and goes with
    /// it.</summary>
    private Child Mount(string options, out string folder)
    {
        Child child = Child.Start("unshare", "--mount", "sh", "-c", $"mount -t tmpfs -o {options},mode=700 tmpfs '{_folder.Path}' && echo mounted && exec sleep 600");
        child.Process.StandardOutput.ReadLine().Should().Be("mounted");
        folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{child.Id}/root{_folder.Path}");
        return child;
    }

    private static void FillUp(string path)
    {
        using FileStream file = new(path, FileMode.CreateNew);
        byte[] page = new byte[4_096];
        try
        {
            while (true)
            {
                file.Write(page);
                file.Flush();
            }
        }
        catch (IOException)
        {
            // full
        }
    }
}
