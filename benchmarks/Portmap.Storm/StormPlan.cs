using Portmap.Storm.Contestants;

namespace Portmap.Storm;

/// <summary>How much of everything.</summary>
/// <param name="Workers">Long-lived child processes, each of which takes one hand-off after the
/// other.</param>
/// <param name="HandOffs">Hand-offs for each contestant and weather.</param>
/// <param name="Starts">Real process starts for each contestant.</param>
/// <param name="StartsOfCertain">The same for each whose starts are not compared: that it loses
/// nothing, or something, few starts show.</param>
/// <param name="StartsAtOnce">How many of those are under way at once.</param>
/// <param name="FewerStartsLost">By which factor the guard is to lose fewer starts than both methods
/// together that hand out a number; see <see cref="Reporting.Expectations"/>.</param>
/// <param name="IsBrief">Whether this is the short run, which draws nothing.</param>
internal sealed record StormPlan(int Workers, int HandOffs, int Starts, int StartsOfCertain, int StartsAtOnce, double FewerStartsLost, bool IsBrief)
{
    /// <summary>How often one hand-off may be tried before it counts as failed; the same for
    /// all.</summary>
    public const int Attempts = 8;

    /// <summary>Hand-offs to each worker before the first one that counts, in calm weather: what is
    /// compiled on first use would count against who comes first.</summary>
    public const int WarmUps = 3;

    /// <summary>How often the ways to hand a port over take turns, for what that costs.</summary>
    public const int Turns = 9;

    /// <summary>Hand-offs of each way in a turn.</summary>
    public const int HandOffsInATurn = 400;

    public static StormPlan Full { get; } = new(Workers: 20, HandOffs: 2_000, Starts: 50, StartsOfCertain: 50, StartsAtOnce: 4, FewerStartsLost: 2, IsBrief: false);

    public static StormPlan Brief { get; } = new(Workers: 20, HandOffs: 200, Starts: 24, StartsOfCertain: 8, StartsAtOnce: 4, FewerStartsLost: 1.25, IsBrief: true);

    public int StartsOf(Contestant contestant) => contestant.Hold is Hold.None or Hold.Gate ? Starts : StartsOfCertain;
}
