using System.Text;
using Portmap.Processes;

namespace Portmap.Tests.Processes;

public sealed class ProcessIdentityTests
{
    private const int NoSuchProcess = 3, TooManyOpenFiles = 24;

    [Fact]
    public void IsShort_NoSuchFileOrProcessOrNoRightToLook_IsFalse()
    {
        ProcessStat.IsShort(new FileNotFoundException()).Should().BeFalse();
        ProcessStat.IsShort(new DirectoryNotFoundException()).Should().BeFalse();
        ProcessStat.IsShort(new IOException("read", NoSuchProcess)).Should().BeFalse();
        ProcessStat.IsShort(new UnauthorizedAccessException()).Should().BeFalse("another look tells no more");
    }

    [Fact]
    public void IsShort_NoDescriptorsLeft_IsTrue() =>
        ProcessStat.IsShort(new IOException("open", TooManyOpenFiles)).Should().BeTrue("running out of descriptors must not end every registration");

    [Theory]
    [InlineData("7 (brick) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0", 4711)]
    [InlineData("7 (a ) Z (b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4712 0", 4712)]
    public void TryParseStat_AnyCommand_ReadsField22AfterTheLastParenthesis(string stat, long expected)
    {
        ProcessStat.TryParse(Encoding.UTF8.GetBytes(stat), out ProcessStat read).Should().BeTrue();

        (read.IsAlive, read.Start).Should().Be((true, expected));
    }

    [Theory]
    [InlineData("7 (brick) Z 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0")]
    [InlineData("7 (brick) X 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0")]
    [InlineData("7 (brick) S 1 7")]
    [InlineData("")]
    public void TryParseStat_DeadOrCut_IsFalse(string stat) =>
        (ProcessStat.TryParse(Encoding.UTF8.GetBytes(stat), out ProcessStat read) && read.IsAlive).Should().BeFalse();

    [Fact]
    public void Of_ThisProcess_IsAliveAndOnlyWithItsOwnStartTime()
    {
        ProcessIdentity identity = ProcessIdentity.Of(Environment.ProcessId, out bool isDead);

        isDead.Should().BeFalse();
        identity.IsAlive().Should().BeTrue();
        (identity with { StartTime = identity.StartTime + 1 }).IsAlive().Should().BeFalse("another process has had that id since");
    }
}
