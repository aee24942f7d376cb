using Portmap.Table;

namespace Portmap.Interleaving.Tests.Scheduling;

/// <summary>A thread that has begun something and stands before one of its steps until it is let
/// go.</summary>
internal sealed class StandingThread
{
    private readonly TaskCompletionSource _stands = new(TaskCreationOptions.RunContinuationsAsynchronously), _goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _act;

    /// <summary>Begins, and returns when the thread stands or is done.</summary>
    /// <param name="act">What it does, as far as that thread does it.</param>
    /// <param name="at">Whether it is to stand before a step; not asked any more once it did.</param>
    public StandingThread(Func<Task> act, Func<Step, bool> at)
    {
        _act = Task.Run(() =>
        {
            Hook.Reached = step =>
            {
                if (at(step))
                {
                    Hook.Reached = null;
                    _stands.SetResult();
                    ((IAsyncResult)_goesOn.Task).AsyncWaitHandle.WaitOne(Deadline.Default).Should().BeTrue("the test lets it go");
                }
            };
            try
            {
                return act();
            }
            finally
            {
                Hook.Reached = null;
            }
        });
        Task.WhenAny(_stands.Task, _act).WaitAsync(Deadline.Default).GetAwaiter().GetResult();
    }

    /// <summary>Whether it stood; else it was done before.</summary>
    public bool Stood => _stands.Task.IsCompleted;

    /// <summary>Lets it go.</summary>
    /// <returns>What it does, which may fail.</returns>
    public Task GoOn()
    {
        _goesOn.TrySetResult();
        return _act;
    }

    /// <summary>The first step after a claim has ended: nobody was told so yet.</summary>
    public static Func<Step, bool> AfterAnEnd()
    {
        bool isEnding = false;
        return step =>
        {
            bool hasEnded = isEnding && step != Step.EndClaim;
            isEnding |= step == Step.EndClaim;
            return hasEnded;
        };
    }
}
