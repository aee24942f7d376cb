using Portmap.Interleaving.Tests.Histories;

namespace Portmap.Interleaving.Tests.Scheduling;

/// <summary>Plays scenarios under schedules and checks each run: its history, both ways to look at
/// every step, and what is left at the end.</summary>
internal sealed class Explorer : IDisposable
{
    private readonly Puppets _puppets;

    // No process of its own: between fork and exec a child has a copy of every socket of this one,
    // and a placeholder that another test closed meanwhile is still bound.
    private readonly Mortal _living = new();
    private readonly Func<Scenario, IPlayed>? _make;

    /// <summary>The ports of real placeholders, which its scenarios have one after the
    /// other.</summary>
    private readonly Lazy<int> _real = new(() => PortBlock.Take(3).First);

    /// <param name="threads">The most threads a scenario has.</param>
    /// <param name="make">What is played on; the registry unless another thing is given.</param>
    /// <param name="takeTurns">False when the threads run freely.</param>
    public Explorer(int threads, Func<Scenario, IPlayed>? make = null, bool takeTurns = true)
    {
        _puppets = new Puppets(threads, takeTurns);
        _make = make;
    }

    /// <summary>How many runs were made.</summary>
    public int Runs { get; private set; }

    /// <summary>Plays a scenario once.</summary>
    /// <param name="scenario">What happens.</param>
    /// <param name="schedule">Who runs when; null lets all threads run at once as they
    /// like.</param>
    /// <param name="atEveryStep">Whether both ways to look are compared at every step too.</param>
    /// <returns>What is wrong, with all that is needed to play it again, or null.</returns>
    public string? FindFault(Scenario scenario, Schedule? schedule, bool atEveryStep = false)
    {
        Runs++;
        using IPlayed played = _make?.Invoke(scenario) ?? new PlayedRegistry(scenario, _living.Id, scenario.IsGuarded ? _real.Value : 20_000);
        string? fault = null;
        Performance performance = new(scenario, played);
        try
        {
            if (schedule is null)
            {
                _puppets.RunFree(performance.Acts);
            }
            else
            {
                _puppets.Run(performance.Acts, schedule, atEveryStep ? Watch : null);
            }

            fault ??= performance.Fault();
        }
        catch (InvalidOperationException exception)
        {
            fault ??= $"{exception.Message}\n{scenario}";
        }

        return fault is null ? null : $"schedule '{schedule}': {fault}";

        void Watch(Table.Step step, int thread) => fault ??= played.Disagreement() is { } found ? $"before {step} of thread {thread}: {found}\n{scenario}" : null;
    }

    /// <summary>Plays a scenario under every schedule with at most so many forced switches, those
    /// with the fewest first.</summary>
    /// <param name="scenario">The scenario.</param>
    /// <param name="switches">How many switches at most.</param>
    /// <param name="atEveryStep">Whether both ways to look are compared at every step.</param>
    /// <param name="most">How many schedules of one number of switches at most; where there are
    /// more, those at even distances are played, the same in each run.</param>
    public string? FindFaultInAll(Scenario scenario, int switches, bool atEveryStep = true, int most = int.MaxValue)
    {
        List<Schedule> level = [Schedule.OneAfterTheOther];
        for (int depth = 0; level.Count > 0; depth++)
        {
            List<Schedule> next = [];
            foreach (Schedule schedule in level)
            {
                // The states before the last switch were looked at in a run with one switch less.
                if (FindFault(scenario, schedule, atEveryStep && depth < 2) is { } fault)
                {
                    return fault;
                }

                if (depth < switches)
                {
                    next.AddRange(schedule.WithOneMore(scenario.Threads.Count, _puppets.RanAt));
                }
            }

            int distance = (next.Count / most) + 1;
            level = distance == 1 ? next : [.. next.Where((_, at) => at % distance == 0)];
        }

        return null;
    }

    public void Dispose()
    {
        _puppets.Dispose();
        _living.Dispose();
    }
}
