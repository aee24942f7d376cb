using Portmap.Table;

namespace Portmap.Tests.Table;

/// <summary>Ports that wait: all come out when their time is over, however long nobody has
/// asked.</summary>
public sealed class DelayedPortsTests
{
    private const int First = 20_000, DelayMs = 8_000, SliceMs = DelayMs / 8;

    /// <summary>The pauses in slices, around each turn of the wheel.</summary>
    public static TheoryData<int> Pauses { get; } = [0, 1, 2, 7, 8, 9, 14, 15, 16, 17, 18, 23, 24, 31, 32, 33, 47, 48, 49, 63, 64, 65, 1_000, 100_000];

    [Theory]
    [MemberData(nameof(Pauses))]
    public void DrainDue_AfterAPause_GivesAllWhoseTimeIsOver(int pause)
    {
        for (int start = 0; start < DelayedPorts.Generations; start++)
        {
            DelayedPorts delayed = new(new PortRange(First, First + 99), TimeSpan.FromMilliseconds(DelayMs));
            long now = (1_000 + start) * SliceMs;
            List<int> drained = [];
            delayed.DrainDue(now, drained.Add);
            for (int i = 0; i < 12; i++)   // over a delay and a half: no generation meets itself
            {
                delayed.Add(First + i, now);
                now += SliceMs;
            }

            now += (pause * SliceMs) + DelayMs + (2 * SliceMs);
            delayed.DrainDue(now, drained.Add);
            drained.Should().BeEquivalentTo(Enumerable.Range(First, 12), "a pause of {0} slices after {1}", pause, start);
        }
    }

    [Fact]
    public void DrainDue_AskedEachSlice_GivesEachOnceAndNeverEarly()
    {
        DelayedPorts delayed = new(new PortRange(First, First + 99), TimeSpan.FromMilliseconds(DelayMs));
        Dictionary<int, long> added = [];
        List<(int Port, long Waited)> drained = [];
        for (int i = 0; i < 100; i++)
        {
            long now = (1_000 + i) * SliceMs;
            delayed.DrainDue(now, port => drained.Add((port, now - added[port])));
            delayed.Add(First + i, added[First + i] = now);
        }

        drained.Select(port => port.Port).Should().OnlyHaveUniqueItems().And.HaveCountGreaterThan(80);
        drained.Should().OnlyContain(port => port.Waited >= DelayMs && port.Waited <= DelayMs * 5 / 4);
    }
}
