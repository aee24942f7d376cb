namespace Portmap;

/// <summary>An asynchronous sequence whose enumerators may be disposed while they wait.</summary>
/// <remarks>
/// Those that the compiler writes may not.
/// <code>
///   _state   Idle ◄──► Moving        MoveNextAsync, by CAS; back by CAS when it has completed
///              │          │
///              └──────────┴──► Ended  DisposeAsync, by exchange; who finds Idle before it disposes the inner enumerator,
///                                     who finds Moving stops the wait, and the move that is under way disposes it
/// </code>
/// A move that is stopped so answers false. Threads: one reader at a time, as with any enumerator;
/// anybody may dispose.
/// </remarks>
internal sealed class StoppableSequence<T>(Func<CancellationToken, IAsyncEnumerable<T>> read, CancellationToken ended) : IAsyncEnumerable<T>
{
    public IAsyncEnumerator<T> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        var stop = CancellationTokenSource.CreateLinkedTokenSource(ended, cancellationToken);
        return new Enumerator(read(stop.Token).GetAsyncEnumerator(stop.Token), stop);
    }

    private sealed class Enumerator(IAsyncEnumerator<T> inner, CancellationTokenSource stop) : IAsyncEnumerator<T>
    {
        private const int Idle = 0, Moving = 1, Ended = 2;

        private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _state;

        public T Current => inner.Current;

        public ValueTask<bool> MoveNextAsync()
        {
            switch (Interlocked.CompareExchange(ref _state, Moving, Idle))
            {
                case Ended:
                    return ValueTask.FromResult(false);
                case Moving:
                    throw new InvalidOperationException("The step before has not completed; await it first.");
            }

            ValueTask<bool> move = inner.MoveNextAsync();
            return move.IsCompletedSuccessfully && Interlocked.CompareExchange(ref _state, Idle, Moving) == Moving ? move : AwaitAsync(move);
        }

        public async ValueTask DisposeAsync()
        {
            int before = Interlocked.Exchange(ref _state, Ended);
            if (before == Idle)
            {
                await CloseAsync().ConfigureAwait(false);
            }
            else if (before == Moving)
            {
                await stop.CancelAsync().ConfigureAwait(false);
            }

            await _closed.Task.ConfigureAwait(false);
            if (before != Ended)
            {
                stop.Dispose();   // by the first disposer alone: nobody else cancels it
            }
        }

        private async ValueTask<bool> AwaitAsync(ValueTask<bool> move)
        {
            try
            {
                bool isThere = await move.ConfigureAwait(false);
                return isThere && Volatile.Read(ref _state) != Ended;
            }
            catch (OperationCanceledException) when (Volatile.Read(ref _state) == Ended)
            {
                return false;   // it was disposed, and its reader is to go on without an exception
            }
            finally
            {
                // Disposed before this CAS: this move closes. Disposed after it: the disposer finds
                // Idle and closes.
                if (Interlocked.CompareExchange(ref _state, Idle, Moving) == Ended)
                {
                    await CloseAsync().ConfigureAwait(false);
                }
            }
        }

        private async ValueTask CloseAsync()
        {
            try
            {
                await inner.DisposeAsync().ConfigureAwait(false);
            }
            finally
            {
                _closed.TrySetResult();
            }
        }
    }
}
