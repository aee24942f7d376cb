namespace Portmap.Benchmarks.Upkeep;

/// <summary>The system's clock, whose periodic timers can also be made to fire now, on the caller's
/// thread.</summary>
internal sealed class TimersInHand : TimeProvider
{
    private readonly List<(TimeSpan Period, Action Fire)> _timers = [];

    /// <summary>Fires the timers of a period.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public void Fire(TimeSpan period)
    {
        if (!_timers.Exists(timer => timer.Period == period))
        {
            throw new InvalidOperationException($"No timer has the period {period}.");
        }

        foreach ((TimeSpan its, Action fire) in _timers)
        {
            if (its == period)
            {
                fire();
            }
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (period > TimeSpan.Zero)
        {
            _timers.Add((period, () => callback(state)));
        }

        return System.CreateTimer(callback, state, dueTime, period);
    }
}
