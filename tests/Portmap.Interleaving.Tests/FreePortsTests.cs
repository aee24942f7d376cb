using System.Collections;
using Portmap.Interleaving.Tests.Scheduling;
using Portmap.Table;

namespace Portmap.Interleaving.Tests;

/// <summary>The set of free ports under every schedule of two threads: what is in it is
/// found.</summary>
public sealed class FreePortsTests : IDisposable
{
    /// <summary>Three words of the bitmap: a search from the first port on comes to the last word
    /// by its summary only.</summary>
    private static readonly PortRange s_range = new(20_000, 20_191);

    private readonly Puppets _puppets = new(2);

    public void Dispose() => _puppets.Dispose();

    [Fact]
    public void TryTake_Twice_OnlyTheFirstHasIt()
    {
        FreePorts free = new(s_range);
        free.Add(20_130);

        free.TryTake(20_130).Should().BeTrue();
        free.TryTake(20_130).Should().BeFalse();

        free.TryTake(s_range.Last + 1).Should().BeFalse();
    }

    [Fact]
    public void Find_APortComesAsTheLastOfItsWordGoes_IsFoundUnderEverySchedule() =>
        PlayAll(free => [() => TakeAndGiveBackAndTake(free), () => free.Add(20_131)], taken: 20_130, added: 20_131);

    [Fact]
    public void Find_APortComesAsAllAreDrained_IsFoundOrDrained() =>
        PlayAll(free => [() => free.Drain(_ => { }), () => free.Add(20_131)], taken: 20_130, added: 0);

    /// <summary>What is excluded comes by bytes, and a range begins anywhere among them.</summary>
    [Fact]
    public void Fill_RangeBeginsAnywhereInAByte_LeavesOutWhatIsExcludedAndNothingElse()
    {
        for (int first = 20_000; first < 20_008; first++)
        {
            PortRange range = new(first, first + 129);   // the last word is not full
            for (int port = range.First; port <= range.Last; port++)
            {
                FreePorts free = new(range);
                free.Fill(new BitArray(65_536) { [port] = true });

                Enumerable.Range(range.First, range.Count).Where(candidate => !free.Contains(candidate)).Should().Equal([port], "the range is {0}", range);
            }
        }
    }

    private static void TakeAndGiveBackAndTake(FreePorts free)
    {
        free.TryTake(20_130).Should().BeTrue();
        free.Add(20_130);
        free.TryTake(20_130).Should().BeTrue();
    }

    private void PlayAll(Func<FreePorts, Action[]> acts, int taken, int added)
    {
        _puppets.PlayAll(switches: 3, schedule =>
        {
            FreePorts free = new(s_range);
            free.Add(taken);
            _puppets.Run(acts(free), schedule);
            int found = free.Find(s_range.First, s_range.Last), contained = free.Contains(20_131) ? 20_131 : 0;
            found.Should().Be(contained, "schedule '{0}': a word that is not empty has its summary bit", schedule);
            (added == 0 || found == added).Should().BeTrue("schedule '{0}' lost port {1}", schedule, added);
        });
    }
}
