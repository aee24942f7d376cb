using System.Diagnostics;
using System.Globalization;
using Portmap.Processes;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary>Who is of one family with a program that was started, and who only looks like
/// it.</summary>
public sealed class ProcessFamilyTests
{
    [NeedsFact("sleep")]
    public async Task Includes_OneThatBeganBeforeWithTheSameLease_IsFalse()
    {
        await using ChildProcess before = ChildProcess.Start(Marked("sleep", epoch: 16), "60");
        await using ChildProcess root = await StartAfterAsync(before, epoch: 16);

        FamilyOf(root.Id).Includes(before.Id, likelyIsEnough: true).Should().BeFalse("a program starts what comes after it");
    }

    [Fact]
    public async Task Includes_AnOrphanThatIsOlderThanTheProgram_IsNotOfIt()
    {
        // The daemon of the run before: the same command, the same user, and its parent has gone.
        using Child shell = Child.Start("/bin/sh", "-c", "/bin/sleep 600 >/dev/null & echo $!");
        int older = int.Parse((await shell.Process.StandardOutput.ReadLineAsync().Within())!, CultureInfo.InvariantCulture);
        try
        {
            await shell.Process.WaitForExitAsync().Within();
            Child root = Child.Start();
            while (ProcessIdentity.Of(root.Id, out _).StartTime == ProcessIdentity.Of(older, out _).StartTime)
            {
                root.Dispose();   // the kernel counts in ticks of 10 ms
                root = Child.Start();
            }

            using (root)
            {
                await Eventually.TrueAsync(() => ProcessFiles.CommandOf(older) == ProcessFiles.CommandOf(root.Id));   // it looks like one of it, once it is its program
                new ProcessFamily(ProcessIdentity.Of(root.Id, out _)).Includes(older, likelyIsEnough: true).Should().BeFalse();
            }
        }
        finally
        {
            Programs.Kill(older);
        }
    }

    [NeedsFact("sleep")]
    public async Task Includes_OneThatNamesAnotherLease_IsFalse()
    {
        await using ChildProcess root = ChildProcess.Start(Marked("sleep", epoch: 16), "60");
        ProcessFamily family = FamilyOf(root.Id);
        await using ChildProcess same = ChildProcess.Start(Marked("sleep", epoch: 16), "60"), other = ChildProcess.Start(Marked("sleep", epoch: 32), "60");

        family.Includes(same.Id, likelyIsEnough: false).Should().BeTrue();
        family.Includes(other.Id, likelyIsEnough: true).Should().BeFalse();
    }

    [NeedsFact("setsid", "bash", "sleep")]
    public async Task Includes_OrphanOfTheSameSession_IsTrue()
    {
        // With -m a shell gives what it starts a process group of its own. The one below leaves.
        await using ChildProcess root = ChildProcess.Start(new ProcessStartInfo("setsid"), "bash", "-c", "bash -c 'set -m; sleep 60 <&- >&- 2>&- & echo $!'; echo gone; exec sleep 61");
        int orphan = await NumberAsync(root);
        (await root.ReadLineAsync()).Should().Be("gone");
        try
        {
            FamilyOf(root.Id).Includes(orphan, likelyIsEnough: false).Should().BeTrue();
        }
        finally
        {
            Programs.Kill(orphan);
        }
    }

    [NeedsFact("sh", "sleep")]
    public async Task LookAround_ChildOfAChild_IsOneOfThoseThatLive()
    {
        await using ChildProcess root = ChildProcess.Start(new ProcessStartInfo("sh"), "-c", "sh -c 'sleep 60 <&- >&- 2>&- & echo $!; wait'; true");
        int grandchild = await NumberAsync(root);
        try
        {
            ProcessFamily family = FamilyOf(root.Id);
            family.LookAround();

            family.Living().Should().HaveCount(3).And.StartWith(root.Id).And.Contain(grandchild);
        }
        finally
        {
            Programs.Kill(grandchild);
        }
    }

    [NeedsFact("sh", "sleep")]
    public async Task IsAncestor_WhoStartedTheRoot_IsTrue()
    {
        await using ChildProcess starter = ChildProcess.Start(new ProcessStartInfo("sh"), "-c", "sleep 60 <&- >&- 2>&- & echo $!; wait");
        int root = await NumberAsync(starter);
        try
        {
            ProcessFamily family = FamilyOf(root);

            family.IsAncestor(starter.Id).Should().BeTrue();
            family.IsAncestor(root).Should().BeFalse();
        }
        finally
        {
            Programs.Kill(root);
        }
    }

    private static ProcessFamily FamilyOf(int processId) => new(ProcessIdentity.Of(processId, out _));

    private static ProcessStartInfo Marked(string program, long epoch) => new(program)
    {
        Environment = { [PortmapVariables.Owner] = "family", [PortmapVariables.Epoch] = epoch.ToString(CultureInfo.InvariantCulture) },
    };

    /// <summary>Clock ticks of the kernel are 10 ms: of two processes that begin within one, none is
    /// before the other.</summary>
    private static async Task<ChildProcess> StartAfterAsync(ChildProcess before, long epoch)
    {
        while (true)
        {
            ChildProcess after = ChildProcess.Start(Marked("sleep", epoch), "60");
            if (ProcessIdentity.Of(after.Id, out _).StartTime > ProcessIdentity.Of(before.Id, out _).StartTime)
            {
                return after;
            }

            await after.DisposeAsync();
        }
    }

    private static async Task<int> NumberAsync(ChildProcess process) => int.Parse(await process.ReadLineAsync(), CultureInfo.InvariantCulture);
}
