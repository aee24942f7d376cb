using Portmap.Interleaving.Tests.Histories;
using Portmap.Interleaving.Tests.Scheduling;

namespace Portmap.Interleaving.Tests.Controls;

/// <summary>A detector that has never caught anything proves nothing: each must catch its seeded
/// fault, and pass the table without one.</summary>
public class ControlTests
{
    private static readonly Call s_acquire = new(CallKind.Acquire, 0), s_acquireB = new(CallKind.Acquire, 1), s_releaseLease = new(CallKind.ReleaseLease, 0);
    private static readonly Call s_register = new(CallKind.Register, 0, 1, 0), s_registerB = new(CallKind.Register, 1, 1, 1);
    private static readonly Call s_findPort = new(CallKind.FindPort, 0), s_byOwner = new(CallKind.FindByOwner, 0), s_byPort = new(CallKind.FindByPort, Port: 1);

    private static readonly Dictionary<SeededFault, Scenario> s_scenarios = new()
    {
        [SeededFault.CheckThenWrite] = Scenario([], [s_acquire], [s_registerB]),
        [SeededFault.TrustsTheBitmap] = Scenario([], [s_acquire], [s_registerB]),
        [SeededFault.ReleasesWithoutEpoch] = Scenario([s_acquire], [s_releaseLease], [s_releaseLease, s_acquire, s_byOwner]),
        [SeededFault.IndexBeforeSlot] = Scenario([], [s_register], [s_findPort, s_byPort]),
        [SeededFault.ForgetsTheBit] = Scenario([s_acquire], [s_releaseLease], [s_findPort]),
        [SeededFault.WaitsForAFlag] = Scenario([], [s_acquire], [s_acquireB]),
    };

    [Theory]
    [InlineData("CheckThenWrite", "no order of the calls")]
    [InlineData("TrustsTheBitmap", "no order of the calls")]
    [InlineData("ReleasesWithoutEpoch", "no order of the calls")]
    [InlineData("IndexBeforeSlot", "no order of the calls")]
    [InlineData("ForgetsTheBit", "can be acquired")]
    [InlineData("WaitsForAFlag", "waits for a suspended one")]
    public void Search_SeededFault_IsCaught(string fault, string complaint) =>
        FindFault(Enum.Parse<SeededFault>(fault), s_scenarios[Enum.Parse<SeededFault>(fault)], atEveryStep: false).Should().Contain(complaint);

    [Fact]
    public void LookAtEveryStep_IndexBeforeSlot_IsCaught() =>
        FindFault(SeededFault.IndexBeforeSlot, Scenario([], [s_register], [s_findPort]), atEveryStep: true).Should().Contain("leads elsewhere", "no call sees it, but it is so");

    [Fact]
    public void Search_TableWithoutAFault_FindsNothing()
    {
        foreach (Scenario scenario in s_scenarios.Values)
        {
            FindFault(SeededFault.None, scenario, atEveryStep: true).Should().BeNull();
        }
    }

    private static string? FindFault(SeededFault fault, Scenario scenario, bool atEveryStep)
    {
        using Explorer explorer = new(threads: 2, one => new BrokenTable(fault, one.Ports));
        return explorer.FindFaultInAll(scenario, switches: 2, atEveryStep);
    }

    private static Scenario Scenario(Call[] before, params Call[][] threads) => new(1, Cools: false, before, threads);
}
