using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Serving;

public class DescriptorsTests
{
    [Theory]
    [InlineData(64, 40, 8)]
    [InlineData(256, 115, 32)]
    [InlineData(1_024, 115, 237)]
    [InlineData(1_024, 900, 128)]
    [InlineData(65_536, 115, 19_514)]
    [InlineData(1, 1, 1)]
    public void RoomFor_Connections_IsWhatGuardsAndHostLeave(int limit, int open, int room) => Descriptors.RoomFor(limit, open).Should().Be(room);

    [Theory]
    [InlineData(1_024, 115)]
    [InlineData(4_096, 300)]
    [InlineData(16_384, 300)]
    [InlineData(1_048_576, 1_000)]
    public void RoomFor_BesideGuardsAndTheProcessesOfSessions_PassesNoLimit(int limit, int open) =>
        (Descriptors.RoomFor(limit, open) + DescriptorShares.OfGuards(limit) + DescriptorShares.OfProcesses(limit) + open)
            .Should().BeLessThan(limit);

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    public void Allow_NoMoreThanThereIsRoomFor_IsLeftAsItIs(int wanted) => Descriptors.Allow(wanted).Should().Be(wanted);
}
