using System.Globalization;
using Portmap.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary>Who is of a program, and who only looks like it.</summary>
public sealed class ProcessFamilyTests
{
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
                ProcessFiles.CommandOf(older).Should().Be(ProcessFiles.CommandOf(root.Id), "it looks like one of it");
                new ProcessFamily(ProcessIdentity.Of(root.Id, out _)).Includes(older, likelyIsEnough: true).Should().BeFalse();
            }
        }
        finally
        {
            Programs.Kill(older);
        }
    }
}
