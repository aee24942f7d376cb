using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

public sealed class RememberedPortsTests
{
    /// <summary>Two owners had one port, or one owner had two.</summary>
    [Theory]
    [InlineData("b", 20_000, false)]
    [InlineData("b", 20_000, true)]
    [InlineData("a", 20_001, false)]
    [InlineData("a", 20_001, true)]
    public void Of_TwoFactsThatCannotBothStand_KeepsTheLater(string owner, int port, bool isLaterFirst)
    {
        PortFact earlier = Had("a", 20_000, epoch: 5), later = Had(owner, port, epoch: 6);

        IReadOnlyCollection<PortFact> remembered = RememberedPorts.Of(isLaterFirst ? [later, earlier] : [earlier, later], hasSeveral: owner == "a");

        remembered.Should().Equal(later);
    }

    private static PortFact Had(string owner, int port, long epoch) => new() { Owner = owner, Port = port, Epoch = epoch, State = PortState.Cooling };
}
