using Portmap.Table;

namespace Portmap.Interleaving.Tests.Scheduling;

/// <summary>One of the steps of a thread, at which something else comes between: a scene is played
/// anew for its first step, for its second one, and so on until it makes no more.</summary>
internal sealed class EachStep
{
    private EachStep(int number) => Number = number;

    /// <summary>Which one, from 1 on.</summary>
    public int Number { get; }

    /// <summary>Whether the thread has come to it.</summary>
    public bool IsReached { get; private set; }

    /// <summary>Plays a scene for each step.</summary>
    /// <param name="play">Plays it for one, by a call of <see cref="Interrupt"/>.</param>
    /// <param name="least">So many steps there are at least: with fewer nothing is tried.</param>
    public static async Task PlayAsync(Func<EachStep, Task> play, int least = 3)
    {
        EachStep step;
        int number = 0;
        do
        {
            step = new EachStep(++number);
            await play(step);
        }
        while (step.IsReached);

        (number - 1).Should().BeGreaterThanOrEqualTo(least, "otherwise the steps are not seen");
    }

    /// <inheritdoc cref="PlayAsync"/>
    public static void Play(Action<EachStep> play, int least = 3) => PlayAsync(
        step =>
        {
            play(step);
            return Task.CompletedTask;
        },
        least).GetAwaiter().GetResult();

    /// <summary>Begins what the thread does; before its step the other thing is done.</summary>
    /// <param name="begin">What the thread does, as far as this thread does it.</param>
    /// <param name="between">What comes between.</param>
    /// <param name="counts">Which steps count; null is all.</param>
    public T Interrupt<T>(Func<T> begin, Action<Step> between, Func<Step, bool>? counts = null)
    {
        int steps = 0;
        Hook.Reached = step =>
        {
            if (counts?.Invoke(step) != false && ++steps == Number)
            {
                Hook.Reached = null;
                IsReached = true;
                between(step);
            }
        };
        try
        {
            return begin();
        }
        finally
        {
            Hook.Reached = null;
        }
    }
}
