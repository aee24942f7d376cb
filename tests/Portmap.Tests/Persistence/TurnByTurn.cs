using System.Threading.Channels;

namespace Portmap.Tests.Persistence;

/// <summary>A store in memory whose batches wait, each until the test lets it through.</summary>
internal sealed class TurnByTurn : IPortStore
{
    private readonly Lock _gate = new();
    private readonly List<PortFact> _facts = [];
    private bool _holds;

    /// <summary>What was written by now, in its order.</summary>
    public List<PortFact> Facts
    {
        get
        {
            lock (_gate)
            {
                return [.. _facts];
            }
        }
    }

    /// <summary>The batches that wait.</summary>
    public Channel<TaskCompletionSource> Turns { get; } = Channel.CreateUnbounded<TaskCompletionSource>();

    /// <summary>The batches that come from now on wait.</summary>
    public void Hold()
    {
        lock (_gate)
        {
            _holds = true;
        }
    }

    /// <summary>Lets through what waits and is in <see cref="Turns"/> still, and all that comes from
    /// now on.</summary>
    public void Release()
    {
        lock (_gate)
        {
            _holds = false;
            while (Turns.Reader.TryRead(out TaskCompletionSource? turn))
            {
                turn.SetResult();
            }
        }
    }

    public ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken)
    {
        TaskCompletionSource turn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (!_holds || !Turns.Writer.TryWrite(turn))
            {
                turn.SetResult();
            }
        }

        await turn.Task;
        lock (_gate)
        {
            _facts.AddRange(batch);
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
