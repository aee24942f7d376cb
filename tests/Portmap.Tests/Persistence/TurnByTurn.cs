using System.Threading.Channels;

namespace Portmap.Tests.Persistence;

/// <summary>A store in memory whose batches wait, each until the test lets it through.</summary>
internal sealed class TurnByTurn : IPortStore
{
    /// <summary>Whether the batches that come from now on wait.</summary>
    public volatile bool Holds;

    /// <summary>What was written, in its order.</summary>
    public List<PortFact> Facts { get; } = [];

    /// <summary>The batches that wait.</summary>
    public Channel<TaskCompletionSource> Turns { get; } = Channel.CreateUnbounded<TaskCompletionSource>();

    /// <summary>Lets through what waits, and all that comes from now on.</summary>
    public void Release()
    {
        Holds = false;
        while (Turns.Reader.TryRead(out TaskCompletionSource? turn))
        {
            turn.TrySetResult();
        }
    }

    public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        if (Holds)
        {
            TaskCompletionSource turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
            Turns.Writer.TryWrite(turn);
            if (!Holds)
            {
                turn.TrySetResult();   // Release was called meanwhile, and may not have seen it
            }

            await turn.Task;
        }

        Facts.AddRange(batch);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
