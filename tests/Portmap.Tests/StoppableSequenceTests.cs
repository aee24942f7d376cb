namespace Portmap.Tests;

/// <summary>An enumerator that is disposed while it waits: its reader goes on, and nothing of the
/// sequence is left when the disposal is over.</summary>
public class StoppableSequenceTests
{
    [Fact]
    public async Task DisposeAsync_WhileAMoveWaits_IsOverWhenTheSequenceIs()
    {
        Source source = new();
        IAsyncEnumerator<int> enumerator = source.Sequence.GetAsyncEnumerator();
        Task<bool> move = enumerator.MoveNextAsync().AsTask();

        source.Disposing = enumerator.DisposeAsync().AsTask();
        await source.Disposing.Within();

        source.IsClosed.Should().BeTrue("what is disposed has closed what it read");
        (await move.Within()).Should().BeFalse();
    }

    [Fact]
    public async Task MoveNextAsync_AfterItWasDisposed_IsFalseAndAsksForNothing()
    {
        Source source = new();
        IAsyncEnumerator<int> enumerator = source.Sequence.GetAsyncEnumerator();
        source.Values = 2;
        (await enumerator.MoveNextAsync().Within()).Should().BeTrue();
        await enumerator.DisposeAsync().AsTask().Within();

        (await enumerator.MoveNextAsync().Within()).Should().BeFalse();

        source.Asked.Should().Be(1);
    }

    [Fact]
    public async Task MoveNextAsync_WhileOneWaits_IsMisuse()
    {
        Source source = new();
        IAsyncEnumerator<int> enumerator = source.Sequence.GetAsyncEnumerator();
        Task<bool> move = enumerator.MoveNextAsync().AsTask();

        Func<Task> again = () => enumerator.MoveNextAsync().AsTask().Within();

        await again.Should().ThrowAsync<InvalidOperationException>().WithMessage("*await it first*");
        await enumerator.DisposeAsync().AsTask().Within();
        (await move.Within()).Should().BeFalse();
    }

    /// <summary>A sequence that has some values at once, waits for the next until it is stopped, and
    /// takes its time to close.</summary>
    private sealed class Source : IAsyncEnumerable<int>
    {
        public Source() => Sequence = new StoppableSequence<int>(GetAsync, CancellationToken.None);

        public StoppableSequence<int> Sequence { get; }

        public int Values { get; set; }

        public int Asked { get; private set; }

        /// <summary>Whether it closed before the disposal was over.</summary>
        public bool IsClosed { get; private set; }

        public Task? Disposing { get; set; }

        public IAsyncEnumerator<int> GetAsyncEnumerator(CancellationToken cancellationToken = default) => new Enumerator(this, cancellationToken);

        private Source GetAsync(CancellationToken cancellationToken) => this;

        private sealed class Enumerator(Source source, CancellationToken stop) : IAsyncEnumerator<int>
        {
            public int Current => source.Asked;

            public async ValueTask<bool> MoveNextAsync()
            {
                source.Asked++;
                if (source.Asked > source.Values)
                {
                    await new TaskCompletionSource().Task.WaitAsync(stop);
                }

                return true;
            }

            public async ValueTask DisposeAsync()
            {
                for (int i = 0; i < 50_000 && source.Disposing is not { IsCompleted: true }; i++)
                {
                    await Task.Yield();   // time enough for who does not wait
                }

                source.IsClosed = source.Disposing is not { IsCompleted: true };
            }
        }
    }
}
