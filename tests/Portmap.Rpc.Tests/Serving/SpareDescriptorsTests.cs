using Portmap.Native;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>The descriptors that a server holds so that the process has some when connections have
/// taken all others.</summary>
[Collection(AloneCollection.Name)]
public class SpareDescriptorsTests
{
    [Fact]
    public void TryTake_GivenToOthersAndTakenAgain_IsHeldEachTime()
    {
        using SpareDescriptors spare = new();
        int before = Held();

        spare.TryTake().Should().BeTrue();
        spare.TryTake().Should().BeTrue("it holds them");
        (Held() - before).Should().Be(8);

        spare.Release();
        Held().Should().Be(before, "they are others' now");
        spare.TryTake().Should().BeTrue();
        (Held() - before).Should().Be(8);
    }

    /// <summary>The eight could be had, and then there would be two for the connection that is
    /// accepted next.</summary>
    [Fact]
    public void TryTake_NotAsManyLeftBesides_TakesNone()
    {
        using SpareDescriptors spare = new();
        int before = Held(), held;
        bool isTaken;
        using (new FewDescriptors(more: 10))
        {
            isTaken = spare.TryTake();
            held = Held();
        }

        isTaken.Should().BeFalse();
        held.Should().Be(before);
        spare.TryTake().Should().BeTrue("there is room again");
    }

    [Fact]
    public void AreLastAfter_ADescriptorNearTheLimit_IsTrue()
    {
        SpareDescriptors.AreLastAfter(Posix.DescriptorLimit - 1).Should().BeTrue();
        SpareDescriptors.AreLastAfter(Posix.DescriptorLimit - 8).Should().BeTrue();
        SpareDescriptors.AreLastAfter(3).Should().BeFalse();
    }

    private static int Held() => Directory.GetFiles("/proc/self/fd").Count(file => File.ResolveLinkTarget(file, returnFinalTarget: false)?.FullName == "/dev/null");
}
