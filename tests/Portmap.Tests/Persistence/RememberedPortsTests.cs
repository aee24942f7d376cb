using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

public sealed class RememberedPortsTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_TwoOwnersHadOnePort_TheLaterOneHasIt(bool isLaterFirst)
    {
        PortFact earlier = Had("a", 20_000, epoch: 5), later = Had("b", 20_000, epoch: 6);

        IReadOnlyCollection<PortFact> remembered = RememberedPorts.Of(isLaterFirst ? [later, earlier] : [earlier, later], hasSeveral: false);

        remembered.Should().Equal(later);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_OwnerHadTwoPorts_ItIsTheLaterOne(bool isLaterFirst)
    {
        PortFact earlier = Had("a", 20_000, epoch: 5), later = Had("a", 20_001, epoch: 6);

        IReadOnlyCollection<PortFact> remembered = RememberedPorts.Of(isLaterFirst ? [later, earlier] : [earlier, later], hasSeveral: true);

        remembered.Should().Equal(later);
    }

    private static PortFact Had(string owner, int port, long epoch) => new() { Owner = owner, Port = port, Epoch = epoch, State = PortState.Cooling };
}
