using System.Globalization;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Disks;

/// <summary>A sync that fails is a failed sync: faults injected below .NET, at the call into libc
/// and at the system call, into a daemon of its own.</summary>
public sealed class FailedSyncTests
{
    [NeedsFact("gcc")]
    public async Task Acquire_SyncFailsWithAnyError_IsRefusedAndConfirmedWhenItWorks()
    {
        using TempFolder folder = new();
        SyncShim shim = await SyncShim.CompileAsync(folder);
        await using ObedientDaemon daemon = ObedientDaemon.Start(folder["state"], shim.Before(Samples.Crash));
        (await daemon.OpenAsync()).Should().Be("open");
        List<string> confirmed = [];
        foreach ((string error, string what) in SyncShim.Errors.Keys.SelectMany(error => new[] { (error, "*"), (error, "/state") }))
        {
            // The folder is synced only where a new file takes its name, which it does after a
            // failed sync of the file.
            shim.Fail(error, "*");
            (await daemon.AskAsync($"acquire no-{error}{what.Length}-1")).Should().StartWith("refused StoreFailed ", error);
            shim.Fail(error, what);
            (await daemon.AskAsync($"acquire no-{error}{what.Length}-2")).Should().StartWith("refused StoreFailed ", "{0} of {1}", error, what);
            shim.Heal();
            string owner = $"yes-{error}{what.Length}";
            (await daemon.AskAsync($"acquire {owner}")).Should().StartWith("ok ", error);
            confirmed.Add(owner);
        }

        await daemon.KillAsync();
        await using ObedientDaemon next = ObedientDaemon.Start(folder["state"]);
        (await next.OpenAsync()).Should().Be("open");
        (await next.AskAsync("list")).Should().Be($"owners {string.Join(' ', confirmed.Order(StringComparer.Ordinal))}");
        await next.CloseAsync();
    }

    [NeedsFact("strace")]
    public async Task Acquire_SystemCallFailsFromSomeMomentOn_IsConfirmedBeforeThatAndNeverAfterwards()
    {
        // strace counts for each thread, so the moment is another one each time.
        foreach (string injection in new[] { "fsync:error=EIO:when=1+", "fsync:error=EIO:when=6+", "fsync:error=EROFS:when=8+", "fsync:error=EINVAL:when=2+" })
        {
            using TempFolder folder = new();
            List<string> confirmed = [];
            await using (ObedientDaemon daemon = ObedientDaemon.StartTraced(folder["state"], injection))
            {
                string last = await daemon.OpenAsync();
                for (int i = 0; i < 200 && !last.StartsWith("refused StoreFailed ", StringComparison.Ordinal); i++)
                {
                    string owner = string.Create(CultureInfo.InvariantCulture, $"a{i}");
                    last = await daemon.AskAsync($"acquire {owner}");
                    if (last.StartsWith("ok ", StringComparison.Ordinal))
                    {
                        confirmed.Add(owner);
                    }
                }

                last.Should().StartWith("refused StoreFailed ", injection);
            }

            await using ObedientDaemon next = ObedientDaemon.Start(folder["state"]);
            (await next.OpenAsync()).Should().Be("open");
            string[] owners = (await next.AskAsync("list")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..];

            // All that was confirmed, and at most the one that was refused: its fact may have
            // reached the file, and no end of it could be written any more.
            confirmed.Except(owners).Should().BeEmpty(injection);
            owners.Except(confirmed).Should().BeSubsetOf([$"a{confirmed.Count}"], injection);
            await next.CloseAsync();
        }
    }

    [NeedsFact("gcc")]
    public async Task Open_SyncFails_IsRefusedAndWorksWhenItDoes()
    {
        using TempFolder folder = new();
        SyncShim shim = await SyncShim.CompileAsync(folder);
        foreach (string ending in new[] { "/state/portmap.state.new", "/state", "/deeper", Path.GetFileName(folder.FullName) })
        {
            string path = Path.Combine(folder.FullName, "deeper", "state");
            shim.TakeLog();
            shim.Fail("EIO", ending);
            await using (ObedientDaemon daemon = ObedientDaemon.Start(path, shim.Before(Samples.Crash)))
            {
                (await daemon.OpenAsync()).Should().StartWith("refused StoreFailed ", ending);
            }

            bool isAbove = !ending.StartsWith("/state", StringComparison.Ordinal);
            Directory.Exists(path).Should().Be(!isAbove, "a folder whose name could not be synced is made anew by the next one: {0}", ending);

            shim.Heal();
            await using (ObedientDaemon daemon = ObedientDaemon.Start(path, shim.Before(Samples.Crash)))
            {
                (await daemon.OpenAsync()).Should().Be("open");
                await daemon.CloseAsync();
            }

            string[] log = shim.TakeLog();
            log.Should().Contain($"sync ok {folder.FullName}/deeper", "no failed sync of it counts").And.Contain($"sync ok {folder.FullName}");
            Directory.Delete(Path.Combine(folder.FullName, "deeper"), recursive: true);
        }
    }

    [NeedsFact("gcc")]
    public async Task Open_FolderThatWasMadeBefore_SyncsTheFoldersAboveUntilTheStateIsInIt()
    {
        using TempFolder folder = new();
        SyncShim shim = await SyncShim.CompileAsync(folder);
        string state = Directory.CreateDirectory(Path.Combine(folder.FullName, "deeper", "state")).FullName;
        foreach (bool isFirst in new[] { true, false })
        {
            await using ObedientDaemon daemon = ObedientDaemon.Start(state, shim.Before(Samples.Crash));
            (await daemon.OpenAsync()).Should().Be("open");

            string[] above = [.. shim.TakeLog().Where(line => line == $"sync ok {folder.FullName}/deeper" || line == $"sync ok {folder.FullName}")];
            above.Should().HaveCount(isFirst ? 2 : 0, "whoever made it may have been killed before its name was on the disk");
            await daemon.CloseAsync();
        }
    }

    [NeedsFact("gcc")]
    public async Task Open_AfterAFailedSyncThatNobodyRemembers_WritesAnew()
    {
        using TempFolder folder = new();
        SyncShim shim = await SyncShim.CompileAsync(folder);
        string state = folder["state"];
        await using (ObedientDaemon daemon = ObedientDaemon.Start(state, shim.Before(Samples.Crash)))
        {
            (await daemon.OpenAsync()).Should().Be("open");
            (await daemon.AskAsync("acquire a")).Should().StartWith("ok ");
            shim.Fail("EIO", "/state");
            (await daemon.AskAsync("acquire b")).Should().StartWith("ok ", "the file is appended to, the folder is not touched");
            await daemon.CloseAsync();
        }

        shim.Heal();
        shim.TakeLog();
        bool wasInDoubt = false;
        foreach ((bool doubt, bool kills) in new[] { (false, false), (true, false), (false, true), (false, false) })
        {
            await using ObedientDaemon daemon = ObedientDaemon.Start(state, shim.Before(Samples.Crash));
            (await daemon.OpenAsync()).Should().Be("open");
            string renamed = $"rename ok {state}/portmap.state";
            shim.TakeLog().Contains(renamed).Should().Be(wasInDoubt, "doubt {0}, kill {1}", doubt, kills);
            if (doubt)
            {
                shim.Fail("EIO");
                (await daemon.AskAsync("acquire c")).Should().StartWith("refused StoreFailed ");
            }

            await (kills ? daemon.KillAsync() : daemon.CloseAsync());
            shim.Heal();
            shim.TakeLog();
            wasInDoubt = doubt || kills;
        }
    }

    [NeedsFact("gcc")]
    public async Task Daemon_FromTheFirstStartOn_SyncsWhatItConfirmsAndInThisOrder()
    {
        using TempFolder folder = new();
        SyncShim shim = await SyncShim.CompileAsync(folder);
        string above = Path.Combine(folder.FullName, "a", "b"), state = Path.Combine(above, "state");
        await using ObedientDaemon daemon = ObedientDaemon.Start(state, shim.Before(Samples.Crash));
        (await daemon.OpenAsync()).Should().Be("open");
        string[] opening = shim.TakeLog();

        // The folders above end where the file system ends; those of this test come first.
        opening[..3].Should().Equal($"sync ok {above}", $"sync ok {folder.FullName}/a", $"sync ok {folder.FullName}");
        opening.SkipWhile(line => !line.Contains(state, StringComparison.Ordinal)).Should().Equal(
            [$"sync ok {state}/portmap.state.new", $"rename ok {state}/portmap.state", $"sync ok {state}", $"sync ok {state}/portmap.state"],
            "the new file, its name, and then the mark of the epochs");

        for (int i = 0; i < 3; i++)
        {
            (await daemon.AskAsync(string.Create(CultureInfo.InvariantCulture, $"acquire a{i}"))).Should().StartWith("ok ");
            shim.TakeLog().Should().Equal($"sync ok {state}/portmap.state");
        }

        shim.Fail("EIO");
        (await daemon.AskAsync("acquire b")).Should().StartWith("refused StoreFailed ");

        // The registry tries again by itself, with a new file, so there may be more of them.
        string[] failed = shim.TakeLog();
        failed[0].Should().Be($"sync failed {state}/portmap.state");
        failed.Should().OnlyContain(line => line.StartsWith("sync failed ", StringComparison.Ordinal));
        shim.Heal();
        (await daemon.AskAsync("acquire b")).Should().StartWith("ok ");
        shim.TakeLog().SkipWhile(line => line.StartsWith("sync failed ", StringComparison.Ordinal)).Take(3).Should().Equal($"sync ok {state}/portmap.state.new", $"rename ok {state}/portmap.state", $"sync ok {state}");
        await daemon.CloseAsync();
    }

    [NeedsFact("gcc")]
    public async Task Open_OfADamagedFile_SyncsWhatItKeepsAsideBeforeItIsReplaced()
    {
        using TempFolder folder = new();
        SyncShim shim = await SyncShim.CompileAsync(folder);
        string state = folder["state"], file = Path.Combine(state, "portmap.state");
        await using (ObedientDaemon daemon = ObedientDaemon.Start(state))
        {
            (await daemon.OpenAsync()).Should().Be("open");
            (await daemon.AskAsync("acquire a")).Should().StartWith("ok ");
            await daemon.CloseAsync();
        }

        byte[] bytes = await File.ReadAllBytesAsync(file);
        bytes[^10] ^= 1;
        await File.WriteAllBytesAsync(file, bytes);

        shim.Fail("EIO", await NameOfWhatIsKeptAsync(folder["copy"], bytes));
        await using (ObedientDaemon daemon = ObedientDaemon.Start(state, shim.Before(Samples.Crash)))
        {
            (await daemon.OpenAsync()).Should().StartWith("refused StoreFailed ");
        }

        (await File.ReadAllBytesAsync(file)).Should().Equal(bytes, "nothing was replaced yet");
        shim.Heal();
        shim.TakeLog();
        await using (ObedientDaemon daemon = ObedientDaemon.Start(state, shim.Before(Samples.Crash)))
        {
            (await daemon.OpenAsync()).Should().Be("open");
            string[] log = shim.TakeLog();
            log[0].Should().StartWith($"sync ok {file}.damaged-");
            log[1..5].Should().Equal($"sync ok {state}", $"sync ok {file}.new", $"rename ok {file}", $"sync ok {state}");
            await daemon.CloseAsync();
        }
    }

    /// <summary>The name of what an opening of a damaged state keeps aside: the same for the same
    /// damage.</summary>
    private static async Task<string> NameOfWhatIsKeptAsync(string folder, byte[] state)
    {
        Directory.CreateDirectory(folder);
        await File.WriteAllBytesAsync(Path.Combine(folder, "portmap.state"), state);
        await using ObedientDaemon daemon = ObedientDaemon.Start(folder);
        (await daemon.OpenAsync()).Should().Be("open");
        await daemon.CloseAsync();
        return Path.GetFileName(Directory.GetFiles(folder, "*.damaged-*").Single());
    }
}
