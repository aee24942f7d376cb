using System.Globalization;
using Portmap.Interleaving.Tests.Histories;
using Portmap.Interleaving.Tests.Scheduling;

namespace Portmap.Interleaving.Tests;

/// <summary>Random scenarios of 2 to 4 threads on few ports and owners: each history must be
/// explained by some order of its calls.</summary>
/// <remarks>Each history has a seed: the fixed ones, and a twentieth as many fresh ones in a row
/// (<see cref="Seeds"/>). PORTMAP_HISTORIES=N plays N of each kind instead of what CI has time for. A
/// fault prints its seed and schedule; PORTMAP_SEED=N plays that one alone, under the same schedule,
/// and with PORTMAP_HISTORIES that often: on threads that run freely a fault does not come each
/// time.</remarks>
public class LinearizabilityTests
{
    private static readonly int s_count = int.Parse(Environment.GetEnvironmentVariable("PORTMAP_HISTORIES") ?? "0", CultureInfo.InvariantCulture);

    [Fact]
    public void Registry_AnyScenarioUnderAnySchedule_IsLinearizable() => PlayAll(count: 45_000, AnySchedule);

    [Fact]
    public void Registry_AnyScenarioOnThreadsThatRunFreely_IsLinearizable() => PlayAll(count: 10_000, (_, _) => null, takeTurns: false);

    [Fact]
    public void Registry_AnyScenarioWhileTheStoreIsWriting_IsLinearizable() => PlayAll(count: 3_000, (_, _) => null, takeTurns: false, change: scenario => scenario with { IsStored = true });

    [Fact]
    public void Registry_AnyScenarioOfAllVerbsUnderAnySchedule_IsLinearizable() => PlayAll(count: 12_000, AnySchedule, ofAll: true);

    [Fact]
    public void Registry_AnyScenarioOfAllVerbsOnThreadsThatRunFreely_IsLinearizable() => PlayAll(count: 4_000, (_, _) => null, takeTurns: false, ofAll: true);

    [Fact]
    public void Registry_AnyScenarioWithGuardsUnderAnySchedule_IsLinearizable() =>
        PlayAll(count: 1_500, AnySchedule, change: scenario => scenario.WhereAllAreGivenPorts() with { IsGuarded = true }, ofAll: true);

    [Fact]
    public void Registry_AnyScenarioOfAllVerbsWhileTheStoreIsWriting_IsLinearizable() =>
        PlayAll(count: 1_000, (_, _) => null, takeTurns: false, change: scenario => scenario with { IsStored = true }, ofAll: true);

    [Fact]
    public void Registry_AnyScenarioWhileTheStoreFails_IsLinearizable() =>
        PlayAll(count: 1_500, (_, _) => null, takeTurns: false, change: scenario => scenario with { IsStored = true, StoreFails = true }, ofAll: true);

    [Fact]
    public void Registry_AnyScenarioWithGatesUnderAnySchedule_IsLinearizable() =>
        PlayAll(count: 500, AnySchedule, change: scenario => scenario.WhereAllAreGivenPorts().WhereGatesAreOpened() with { IsGuarded = true }, ofAll: true);

    [Fact]
    public void Registry_AnyScenarioWithAStoreThatMayFailUnderAnySchedule_IsLinearizable() =>
        PlayAll(count: 1_000, AnySchedule, change: scenario => scenario.WithSteppedStore(AnyBatch(scenario)), ofAll: true);

    [Fact]
    public void Registry_AnyScenarioWithGuardsAndAStoreThatMayFailUnderAnySchedule_IsLinearizable() =>
        PlayAll(count: 500, AnySchedule, change: scenario => scenario.WhereAllAreGivenPorts().WhereGatesAreOpened().WithSteppedStore(AnyBatch(scenario)) with { IsGuarded = true }, ofAll: true);

    /// <summary>The batch that fails, or none: the same for the same seed.</summary>
    private static int AnyBatch(Scenario scenario) => (scenario.Ports + scenario.Before.Count + scenario.Threads.Sum(calls => calls.Count)) % 5;

    private static Schedule AnySchedule(Random random, Scenario scenario) => Schedule.Any(random, scenario.Threads.Count, steps: 60 * scenario.Threads.Count);

    private static void PlayAll(int count, Func<Random, Scenario, Schedule?> schedule, bool takeTurns = true, Func<Scenario, Scenario>? change = null, bool ofAll = false)
    {
        using Explorer explorer = new(threads: 4, takeTurns: takeTurns);
        count = s_count != 0 ? s_count : count;
        int times = Seeds.IsOneAlone && s_count != 0 ? s_count : 1;
        Seeds.ForEach(
            seed =>
            {
                for (int i = 0; i < times; i++)
                {
                    Random random = new(seed);
                    Scenario scenario = ofAll ? Scenario.AnyOfAll(random) : Scenario.Any(random);
                    scenario = change?.Invoke(scenario) ?? scenario;
                    if (explorer.FindFault(scenario, schedule(random, scenario)) is { } fault)
                    {
                        Assert.Fail(fault);
                    }
                }
            },
            Enumerable.Range(1, count),
            freshCount: count / 20);
    }
}
